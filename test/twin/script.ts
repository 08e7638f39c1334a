/**
 * A script is what clients ask, one request after another, as data. Ids that a server makes up are placeholders such as
 * `<room1>` until an answer gives them a value, so that the same script can be played on any server.
 */

export type Value = string | number | boolean

export type Call = {
  /** The operationId of the specification. */
  readonly operation: string
  /** What is wrong with the input, in a few words, or nothing. Part of what a difference is called. */
  readonly variant: string
  readonly method: string
  /** With its parameters in braces. */
  readonly path: string
  readonly params: Readonly<Record<string, string>>
  /** What holds a placeholder without a value is left out. */
  readonly query: Readonly<Record<string, Value>>
  /** A function where something has to be signed: it gets what puts values for placeholders, and must be pure. */
  readonly body?: unknown
  /** Sent as it is, instead of `body`. */
  readonly raw?: string
  /** The client, for example `alice 1`, or nobody. */
  readonly as: string | null
  /** Placeholder → where the answer has its value. */
  readonly binds: Readonly<Record<string, readonly string[]>>
  /** Arrays of the answer whose order nobody promises, besides those that are known to be such everywhere. */
  readonly unordered: readonly string[]
  /** What holds nothing may be left out of the answer. */
  readonly sparse: boolean
}

export type Script = { readonly seed: number; readonly calls: readonly Call[] }

export type Resolve = (text: string) => string
export type BodyMaker = (resolve: Resolve) => unknown

const PLACEHOLDER = /<([a-z][a-z0-9. ]*)>/g

/** Puts values for placeholders. @returns null where one has no value */
export function resolveText(text: string, values: ReadonlyMap<string, string>): string | null {
  let isWhole = true
  const resolved = text.replaceAll(PLACEHOLDER, (all, name: string) => {
    const value = values.get(name)
    if (value === undefined) isWhole = false
    return value ?? all
  })
  return isWhole ? resolved : null
}

/** The same for all strings and keys of JSON. */
export function resolveJson(json: unknown, values: ReadonlyMap<string, string>): { whole: boolean; json: unknown } {
  let whole = true
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string') {
      const text = resolveText(value, values)
      if (text === null) whole = false
      return text
    }
    if (Array.isArray(value)) return value.map(walk)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [walk(key) as string, walk(inner)]))
  }
  const resolved = walk(json)
  return { whole, json: resolved }
}
