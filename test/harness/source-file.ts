/** A source file as the tidy test sees it: its imports and its syntax tree, from Babel's parser. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { type ParseResult, parse } from '@babel/parser'
import packageJson from '../../package.json' with { type: 'json' }

export const ROOT = dirname(dirname(import.meta.dirname))

export type Node = { readonly type: string; readonly loc: { readonly start: { readonly line: number } } } & {
  readonly [key: string]: unknown
}
export type Import = {
  /** A path from the root (`src/core/ids.ts`), or the name of a package or of a part of Node (`node:fs`). */
  readonly target: string
  readonly isTypeOnly: boolean
  readonly line: number
}

export type SourceFile = {
  /** From the root of the project, with slashes. */
  readonly path: string
  readonly text: string
  readonly lines: number
  readonly imports: readonly Import[]
  readonly nodes: readonly Node[]
  readonly topLevel: readonly Node[]
}

/** Every TypeScript file under these folders. */
export function sourceFiles(...folders: string[]): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
      .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
      .sort()
      .map((path) => parseSource(path, readFileSync(join(ROOT, path), 'utf8'))),
  )
}

/** Takes one file apart. `path` is what its relative imports are resolved from. */
export function parseSource(path: string, text: string): SourceFile {
  const tree: ParseResult = parse(text, {
    sourceType: 'module',
    plugins: ['typescript', 'explicitResourceManagement'],
    createImportExpressions: true,
    // What isn't valid TypeScript is for the compiler to say.
    errorRecovery: true,
  })
  const nodes: Node[] = []
  collect(tree.program as unknown as Node, nodes)
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
  const imports = nodes.flatMap((node) => importOf(node, path))
  return { path, text, lines, imports, nodes, topLevel: tree.program.body as unknown as Node[] }
}

function collect(node: Node, into: Node[]): void {
  into.push(node)
  for (const value of Object.values(node)) {
    for (const inner of Array.isArray(value) ? value : [value]) {
      if (typeof inner === 'object' && inner !== null && typeof inner.type === 'string') collect(inner as Node, into)
    }
  }
}

/** `import … from`, `export … from`, a bare `import '…'`, `import('…')`, and `import('…')` as a type. */
function importOf(node: Node, path: string): Import[] {
  const source = (node['source'] ?? (node.type === 'TSImportType' ? node['argument'] : undefined)) as Node | undefined
  const name = source?.['value'] ?? (source?.['literal'] as Node | undefined)?.['value']
  if (typeof name !== 'string') return []
  const specifiers = (node['specifiers'] ?? []) as Node[]
  const allTypes = specifiers.length > 0 && specifiers.every((specifier) => specifier['importKind'] === 'type')
  const kind = node['importKind'] ?? node['exportKind']
  const isTypeOnly = kind === 'type' || allTypes || node.type === 'TSImportType'
  return [{ target: resolveImport(name, path), isTypeOnly, line: node.loc.start.line }]
}

const aliases = Object.entries(packageJson.imports).map(([from, to]) => [from.slice(0, -1), to.slice(2, -1)] as const)

function resolveImport(name: string, path: string): string {
  if (name.startsWith('.')) return posix.normalize(posix.join(posix.dirname(path), name))
  const alias = aliases.find(([from]) => name.startsWith(from))
  return alias === undefined ? name : alias[1] + name.slice(alias[0].length)
}
