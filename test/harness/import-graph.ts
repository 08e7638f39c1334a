/** Rules about how files hang together, which no file shows by itself. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, type SourceFile } from '#test/harness/source-file.ts'

type Finding = string

const isProduct = ({ path }: SourceFile) => path.startsWith('src/') && !path.endsWith('.test.ts')

/** Files that import each other, by way of others or at once; types count too. */
export function importCircles(files: readonly SourceFile[]): Finding[] {
  const graph = new Map(files.filter(isProduct).map((file) => [file.path, file.imports.map(({ target }) => target)]))
  const done = new Set<string>()
  const findings: Finding[] = []
  const visit = (path: string, way: readonly string[]): void => {
    const at = way.indexOf(path)
    if (at !== -1) findings.push(`${[...way.slice(at), path].join(' → ')}: put what both need into a file of its own`)
    if (at !== -1 || done.has(path)) return
    for (const target of graph.get(path) ?? []) if (graph.has(target)) visit(target, [...way, path])
    done.add(path)
  }
  for (const path of graph.keys()) visit(path, [])
  return findings
}

/** The folders of src/services, line by line, as ARCHITECTURE.md orders them. */
export function orderOfServices(): readonly (readonly string[])[] {
  const text = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8')
  const section = text.split('\n## ').find((part) => part.startsWith('Who may call whom among the services')) ?? ''
  const lines = section.split('\n').filter((line) => /^\d+\. /.test(line))
  // What stands in brackets explains.
  return lines.map((line) => [...line.replaceAll(/\(.*?\)/g, '').matchAll(/`([a-z0-9-]+)`/g)].map(([, name]) => name!))
}

/** A service imports only what stands in a line above its own. */
export function servicesOutOfOrder(files: readonly SourceFile[], order: readonly (readonly string[])[]): Finding[] {
  const lineOf = new Map(order.flatMap((names, line) => names.map((name) => [name, line] as const)))
  const place = 'ARCHITECTURE.md, "Who may call whom among the services"'
  const findings = new Set<Finding>()
  for (const { path, imports } of files.filter(isProduct)) {
    const own = domainOf(path)
    if (own === null) continue
    const ownLine = lineOf.get(own)
    if (ownLine === undefined) findings.add(`src/services/${own} has no place in ${place}`)
    for (const { target, line } of imports) {
      if (!target.startsWith('src/services/')) continue
      const other = domainOf(target)
      if (other === own || (ownLine ?? -1) > (other === null ? Infinity : (lineOf.get(other) ?? Infinity))) continue
      const what = other === null ? 'what puts services together stands above them all' : `see ${place}`
      findings.add(`${path}:${line}: ${own} may not call ${target}: ${what}`)
    }
  }
  for (const name of lineOf.keys()) {
    if (!files.some(({ path }) => domainOf(path) === name)) findings.add(`${place}: there is no src/services/${name}`)
  }
  return [...findings]
}

/** The folder of src/services; null for files beside the folders, and all else. */
function domainOf(path: string): string | null {
  return /^src\/services\/([^/]+)\//.exec(path)?.[1] ?? null
}
