/** Prints the schema as a configuration file: every setting with what it does, its default or an example. */
import type { TSchema } from 'typebox'
import { Document, isScalar, isSeq } from 'yaml'
import { type Annotations, configSchema } from '#config/schema.ts'

type Shape = Annotations & { readonly type?: string; readonly properties?: Record<string, TSchema> }

const WIDTH = 100
const HEAD = `# Settings of Hearth, a Matrix homeserver. To change one, remove the "#" in front of it and of the section
# around it. What is left out has the value shown, or where it says so another one or none.
`

/** YAML that `hearth config check` accepts as it is, and with every setting uncommented too. */
export function exampleConfig(): string {
  const settings = Object.entries(configSchema.properties)
  return [HEAD, ...settings.map(([key, schema]) => setting(key, schema, key === 'server_name' ? '' : '#', 0))].join(
    '\n',
  )
}

/** One setting with its explanation; `mark` comments it out. */
function setting(key: string, schema: Shape, mark: string, depth: number, required = false): string {
  const indent = '  '.repeat(depth)
  const start = depth === 0 ? '# ' : `${mark}${indent}# `
  const explained = comment(note(schema, required)).map((line) => `${start}${line}\n`)
  const lines = schema.properties === undefined ? valueLines(key, shown(schema)) : [`${key}:`]
  const inner = Object.entries(schema.properties ?? {}).map(([name, value]) =>
    setting(name, value, mark, depth + 1, (schema as { required?: string[] }).required?.includes(name)),
  )
  return [...explained, ...lines.map((line) => `${mark}${indent}${line}\n`), ...inner].join('')
}

function valueLines(key: string, value: unknown): string[] {
  const document = new Document({ [key]: value })
  const node = document.get(key, true)
  // Lists of tables are easier to read as blocks; short lists on one line.
  if (isSeq(node) && node.items.every(isScalar)) node.flow = true
  return document.toString({ lineWidth: 0 }).trimEnd().split('\n')
}

function shown(schema: Shape): unknown {
  // Settings inside lists have neither default nor example, but perhaps a choice.
  return schema.examples?.[0] ?? schema.default ?? (schema as { enum?: readonly unknown[] }).enum?.[0]
}

function note(schema: Shape, required: boolean): string {
  const { description = '', default: fallback, examples } = schema
  const parts = [description]
  const isNothing = fallback === undefined ? !required : Array.isArray(fallback) && fallback.length === 0
  if (schema.properties === undefined && !/default/i.test(description)) {
    if (isNothing) parts.push('None by default.')
    else if (examples !== undefined && fallback !== undefined && !isEmptyTable(fallback)) {
      parts.push(`Default: ${JSON.stringify(fallback)}.`)
    }
  }
  if (schema.noEffectYet === true) parts.push('No effect yet.')
  return parts.filter((part) => part !== '').join(' ')
}

function isEmptyTable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

function comment(text: string): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length < WIDTH) lines[lines.length - 1] = `${last} ${word}`
    else if (word !== '') lines.push(word)
  }
  return lines
}
