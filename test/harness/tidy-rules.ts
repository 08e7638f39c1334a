/** What keeps the source in order, as data. Each rule says what to do instead; a new one costs a few lines. */
import type { Import, Node, SourceFile } from '#test/harness/source-file.ts'

const LINES_MAX = 500

type Finding = string
export type Rule = { readonly name: string; check(file: SourceFile): Finding[] }

const isTest = (path: string) => path.startsWith('test/') || path.endsWith('.test.ts')
const under = (path: string, ...folders: string[]) => folders.some((folder) => path.startsWith(folder))
/** Those who meet the world: they hand clock, randomness and settings to the others. */
const ENTRY = ['src/server.ts', 'src/main.ts', 'src/cli/']

/** Layer → what it may import. `types` are open to type imports alone. */
const LAYERS: readonly { from: string; may: readonly string[]; types?: readonly string[]; instead: string }[] = [
  { from: 'src/core/', may: ['src/core/'], instead: 'core is pure: pass what it needs as arguments' },
  { from: 'src/config/', may: ['src/config/', 'src/core/'], instead: 'settings know nothing of the program' },
  {
    from: 'src/store/',
    may: ['src/store/', 'src/core/'],
    types: ['src/config/'],
    instead: 'the store is told what to do by the services',
  },
  {
    from: 'src/services/',
    may: ['src/services/', 'src/store/', 'src/core/'],
    types: ['src/config/'],
    instead: 'news travels upwards through the log, settings come by the constructor',
  },
  {
    from: 'src/edge/',
    may: ['src/edge/', 'src/services/', 'src/core/'],
    types: ['src/config/'],
    instead: 'ask a service; add a method to it if it has none',
  },
  {
    from: 'src/server.ts',
    may: ['src/edge/kit/', 'src/services/', 'src/store/', 'src/core/', 'src/config/', 'package.json'],
    instead: 'endpoints are found, not imported',
  },
  {
    from: 'src/cli/',
    may: ['src/cli/', 'src/server.ts', 'src/config/', 'src/core/', 'package.json'],
    instead: 'ask server.ts',
  },
  { from: 'src/main.ts', may: ['src/cli/'], instead: 'put it into src/cli' },
]

const isOurs = (target: string) => under(target, 'src/', 'test/', 'bench/', 'web/', 'package.json')

function perImport(check: (imported: Import, file: SourceFile) => string | null): (file: SourceFile) => Finding[] {
  return (file) =>
    file.imports.flatMap((imported) => {
      const message = check(imported, file)
      return message === null ? [] : [`${file.path}:${imported.line}: ${message}`]
    })
}

function perNode(check: (node: Node, file: SourceFile) => string | null): (file: SourceFile) => Finding[] {
  return (file) =>
    file.nodes.flatMap((node) => {
      const message = check(node, file)
      return message === null ? [] : [`${file.path}:${node.loc.start.line}: ${message}`]
    })
}

/** `Date.now` and the like, wherever they are read. */
function memberName(node: Node): string | null {
  if (node.type !== 'MemberExpression' || node['computed'] === true) return null
  const [object, property] = [node['object'] as Node, node['property'] as Node]
  return `${object.type === 'Identifier' ? object['name'] : '…'}.${property['name']}`
}

function calledName(node: Node): string | null {
  const callee = node['callee'] as Node | undefined
  return callee?.type === 'Identifier' ? (callee['name'] as string) : null
}

const BANNED_MEMBERS: readonly { name: RegExp; except: readonly string[]; instead: string }[] = [
  { name: /^Object\.assign$/, except: [], instead: 'it sets the prototype for a key __proto__; use spread' },
  { name: /\.localeCompare$/, except: [], instead: 'it depends on the machine; use < or compareCodePoints of core' },
  { name: /^Date\.now$/, except: ENTRY, instead: 'take `clock: () => number` by the constructor' },
  { name: /^Math\.random$/, except: [], instead: 'take `randomBytes` by the constructor' },
  { name: /^process\.env$/, except: ENTRY, instead: 'add a setting to src/config/schema.ts' },
  { name: /^process\.exit$/, except: ENTRY, instead: 'throw; main ends the process' },
  { name: /^console\./, except: ENTRY, instead: 'take a log by the constructor' },
]

const CORE_BANNED_NAMES: Readonly<Record<string, string>> = {
  fetch: 'core has no network',
  setTimeout: 'core has no time',
  setInterval: 'core has no time',
  setImmediate: 'core has no time',
  queueMicrotask: 'core has no time',
  process: 'core knows no process',
  performance: 'core has no clock',
  Date: 'core has no clock: pass milliseconds as an argument',
}

export const RULES: readonly Rule[] = [
  {
    name: 'imports go one way: core ← store ← services ← edge ← server ← main',
    check: perImport(({ target, isTypeOnly }, { path }) => {
      const layer = LAYERS.find(({ from }) => under(path, from))
      if (layer === undefined || isTest(path) || !isOurs(target) || under(target, ...layer.may)) return null
      if (isTypeOnly && under(target, ...(layer.types ?? []))) return null
      return `${layer.from} may not import ${target}: ${layer.instead}`
    }),
  },
  {
    name: 'store/sql is opened by the composition root alone',
    check: perImport(({ target }, { path }) => {
      if (!under(target, 'src/store/sql/', 'src/store/migrations/')) return null
      if (isTest(path) || under(path, 'src/store/', 'bench/', ...ENTRY)) return null
      return `imports ${target}: use the interfaces of src/store/store.ts and src/store/types`
    }),
  },
  {
    name: 'endpoints share through services and folders named shared, not with each other',
    check: perImport(({ target }, { path }) => {
      if (!under(path, 'src/edge/') || under(path, 'src/edge/kit/') || isTest(path)) return null
      if (!under(target, 'src/edge/') || under(target, 'src/edge/kit/') || target.includes('/shared/')) return null
      return `imports ${target}: move what both need into a service, or a folder 'shared'`
    }),
  },
  {
    name: 'core touches nothing outside',
    check: perImport(({ target }, { path }) => {
      if (!under(path, 'src/core/') || isTest(path) || isOurs(target)) return null
      if (target === 'node:crypto' && path === 'src/core/crypto.ts') return null
      return `core may not import ${target}: node:crypto in src/core/crypto.ts is all that it uses`
    }),
  },
  {
    name: 'core is pure',
    check: perNode((node, { path }) => {
      if (!under(path, 'src/core/') || isTest(path)) return null
      if (node['async'] === true || node.type === 'AwaitExpression') {
        return 'core is synchronous: let a service do the waiting'
      }
      const object = node.type === 'MemberExpression' ? (node['object'] as Node) : undefined
      const name = calledName(node) ?? (object?.type === 'Identifier' ? (object['name'] as string) : null)
      return name !== null && Object.hasOwn(CORE_BANNED_NAMES, name) ? `${name}: ${CORE_BANNED_NAMES[name]}` : null
    }),
  },
  {
    name: 'banned names',
    check: perNode((node, { path }) => {
      const name = memberName(node)
      if (name === null || isTest(path) || under(path, 'bench/')) return null
      const ban = BANNED_MEMBERS.find((banned) => banned.name.test(name) && !under(path, ...banned.except))
      return ban === undefined ? null : `${name}: ${ban.instead}`
    }),
  },
  {
    name: 'the log is followed in one place',
    check: perNode((node, { path }) => {
      if (!under(path, 'src/services/', 'src/edge/') || isTest(path) || path === 'src/services/log/log-followers.ts')
        return null
      if (memberName(node)?.endsWith('.onCommit') !== true) return null
      return 'onCommit: register with LogFollowers, which hands over what was committed and keeps the position'
    }),
  },
  {
    name: 'no for..in',
    check: perNode((node) => (node.type === 'ForInStatement' ? 'for..in sees the prototype; use Object.keys' : null)),
  },
  {
    name: 'no regular expressions made from data',
    check: perNode((node, { path }) => {
      if (calledName(node) !== 'RegExp' || isTest(path) || path === 'src/edge/kit/path-pattern.ts') return null
      return 'new RegExp: a pattern of a user can take for ever; use src/core/glob.ts, or a literal'
    }),
  },
  {
    name: 'no barrels',
    check: (file) => {
      const forwards = (node: Node) =>
        node.type === 'ImportDeclaration' ||
        (node.type.startsWith('Export') && node['source'] !== undefined && node['source'] !== null)
      if (file.topLevel.some((node) => node.type === 'ExportAllDeclaration')) {
        return [`${file.path}: export * hides where things are; import from the file itself`]
      }
      const exports = file.topLevel.some((node) => node.type.startsWith('Export'))
      if (!exports || !file.topLevel.every(forwards)) return []
      return [`${file.path}: only forwards exports; import from the file itself`]
    },
  },
  {
    name: `files of at most ${LINES_MAX} lines`,
    check: ({ path, lines }) => (lines > LINES_MAX ? [`${path}: ${lines} lines; one idea a file: split it`] : []),
  },
  {
    name: 'kebab-case file names',
    check: ({ path }) => (/(^|\/)[a-z0-9-]+(\.test)?\.ts$/.test(path) ? [] : [`${path}: name it like-this.ts`]),
  },
  {
    name: 'nothing left to do',
    check: ({ path, text }) => {
      const lines = text.split('\n')
      return lines.flatMap((line, index) =>
        /\b(TODO|FIXME|XXX)\b/.test(line) && path !== 'test/harness/tidy-rules.ts'
          ? [`${path}:${index + 1}: do it, or open an issue`]
          : [],
      )
    },
  },
]
