/** Requests with everything right but one value, so that it comes as far as it can. */
import type { TSchema } from 'typebox'
import type { Endpoint } from '#kit/endpoint.ts'
import { BAD_BODIES, BAD_JSON, BAD_QUERIES, BAD_SEGMENTS } from '#test/system/harness/bad-values.ts'
import { operationOf } from '#test/system/harness/spec-schemas.ts'

/** How deep the fields of bodies are taken apart. */
const FIELD_DEPTH = 4

export type Attempt = { readonly path: string; readonly body: string | Uint8Array<ArrayBuffer> | null }

/** Values that mean something. */
export type Known = {
  /** Of the path, the query and the body, by name. */
  readonly params: Readonly<Record<string, string>>
  readonly userId: string
}

/** Requests to an endpoint, each with one thing wrong, or one more than `known` has values for. */
export function attemptsAt(endpoint: Endpoint, known: Known): Attempt[] {
  const bodies = bodiesOf(endpoint)
  const hasBody = endpoint.method !== 'GET'
  const good = hasBody ? JSON.stringify(sample(endpoint.body ?? {}, '', known)) : null
  const attempts: Attempt[] = []
  for (const path of endpoint.paths.filter((path) => !path.startsWith('/_matrix/client/r0/'))) {
    const at = (bad: string | null, value: string) =>
      path.replaceAll(/\{(\w+)\}/g, (_all, name: string) =>
        name === bad ? value : encodeURIComponent(known.params[name] ?? 'x'),
      )
    for (const name of path.matchAll(/\{(\w+)\}/g)) {
      for (const value of BAD_SEGMENTS) attempts.push({ path: at(name[1]!, value), body: good })
    }
    for (const name of Object.keys(endpoint.query)) {
      for (const value of BAD_QUERIES) attempts.push({ path: `${at(null, '')}?${name}=${value}`, body: good })
      attempts.push({ path: `${at(null, '')}?${name}=1&${name}=2`, body: good })
    }
    for (const body of bodies) attempts.push({ path: at(null, ''), body: fill(body, endpoint, known) })
    if (!hasBody) attempts.push({ path: at(null, ''), body: null })
  }
  return attempts
}

type BadBody = string | Uint8Array<ArrayBuffer> | { readonly at: readonly string[]; readonly value: string | null }

/** Each bad value at each field that the endpoint or the specification knows, and at one that nobody knows. */
function bodiesOf(endpoint: Endpoint): BadBody[] {
  if (endpoint.method === 'GET') return []
  const spec = operationOf(endpoint.method, endpoint.paths[0]!.replaceAll(/\{\w+\}/g, 'x'))?.request ?? {}
  const fields = new Map<string, readonly string[]>()
  for (const at of [...fieldsOf(endpoint.body ?? {}), ...fieldsOf(spec as TSchema), ['test.unknown']]) {
    fields.set(JSON.stringify(at), at)
  }
  const single = [...fields.values()].flatMap((at) => [null, ...BAD_JSON].map((value) => ({ at, value })))
  return [...BAD_BODIES, ...BAD_JSON, ...single]
}

type Shape = {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Shape>>
  readonly required?: readonly string[]
  readonly items?: Shape
  readonly anyOf?: readonly Shape[]
  readonly oneOf?: readonly Shape[]
  readonly allOf?: readonly Shape[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
}

function fieldsOf(schema: TSchema | object, depth = 0): (readonly string[])[] {
  const { properties, items, anyOf, oneOf, allOf } = schema as Shape
  if (depth > FIELD_DEPTH) return []
  const below = [...(anyOf ?? []), ...(oneOf ?? []), ...(allOf ?? [])].flatMap((part) => fieldsOf(part, depth))
  const inItems = items === undefined ? [] : fieldsOf(items, depth + 1).map((at) => ['0', ...at])
  const own = Object.entries(properties ?? {}).flatMap(([name, shape]) => [
    [name],
    ...fieldsOf(shape, depth + 1).map((at) => [name, ...at]),
  ])
  return [...own, ...inItems, ...below]
}

/** A body that the schema takes, with ids that mean something. */
function sample(schema: TSchema | object, name: string, known: Known): unknown {
  const { type, properties, required, items, anyOf, oneOf, const: constant, enum: values } = schema as Shape
  if (constant !== undefined) return constant
  if (values !== undefined) return values[0]
  const choice = (anyOf ?? oneOf)?.[0]
  if (choice !== undefined) return sample(choice, name, known)
  if (type === 'array') return [sample(items ?? {}, name, known)]
  if (type === 'integer' || type === 'number') return 1
  if (type === 'boolean') return true
  if (type === 'string') return name.endsWith('user_id') ? known.userId : (known.params[name] ?? 'x')
  const names = Object.keys(properties ?? {}).filter((key) => required?.includes(key) === true)
  return Object.fromEntries(names.map((key) => [key, sample(properties![key]!, key, known)]))
}

/** The text of a good body with one field replaced by a bad value, or left out. */
function fill(bad: BadBody, endpoint: Endpoint, known: Known): string | Uint8Array<ArrayBuffer> {
  if (typeof bad === 'string' || bad instanceof Uint8Array) return bad
  const good = sample(endpoint.body ?? {}, '', known)
  const root: Record<string, unknown> = typeof good === 'object' && good !== null ? { ...good } : {}
  const marker = '\u0001bad\u0001'
  let parent = root
  let shape: Shape = endpoint.body ?? {}
  for (const [i, key] of bad.at.entries()) {
    shape = (key === '0' ? shape.items : shape.properties?.[key]) ?? {}
    if (i === bad.at.length - 1) {
      if (bad.value === null) delete parent[key]
      else parent[key] = marker
    } else {
      const there =
        parent[key] ?? (bad.at[i + 1] === '0' ? [sample(shape.items ?? {}, key, known)] : sample(shape, key, known))
      parent[key] = typeof there === 'object' && there !== null ? there : {}
      parent = parent[key] as Record<string, unknown>
    }
  }
  return JSON.stringify(root).replace(JSON.stringify(marker), () => bad.value ?? '')
}
