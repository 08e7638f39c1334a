/** Finds what two normalised answers differ in, and gives each difference a name that stays the same from run to run. */
import { identity, isObject } from '#test/twin/normalise.ts'
import type { Outcome } from '#test/twin/side.ts'

export type Difference = {
  /** What it is listed by: operation, place, kind. */
  readonly key: string
  readonly hearth: unknown
  readonly synapse: unknown
  /** One did what the other refused: from here on they have different histories. */
  readonly parts?: boolean
}

/** Keys of objects that are data rather than names of fields. */
const DATA_KEY = /^[@!#$<]|:|^curve25519|^ed25519/
/** Beside an error's code its text is free. */
const ERROR_FREE = 'error'

/** All differences of two answers to the same request; none where they say the same. */
export function compareOutcomes(
  what: { operation: string; variant: string },
  hearth: Outcome,
  synapse: Outcome,
): Difference[] {
  const { operation, variant } = what
  const name = variant === '' ? operation : `${operation} (${variant})`
  const opposed = verdictsDiffer(name, hearth, synapse)
  if (opposed !== null) return [opposed]
  const found: Difference[] = []
  if (hearth.contentType !== synapse.contentType) {
    const [a, b] = [hearth.contentType, synapse.contentType]
    found.push({ key: `${operation}: content-type ${a} / ${b}`, hearth: a, synapse: b })
  }
  const isError = hearth.status >= 300
  compareJson(`${operation}:`, withoutText(hearth.body, isError), withoutText(synapse.body, isError), '', found)
  return found
}

/** Whether one did what the other refused, or they refused it in different ways. */
export function verdictsDiffer(name: string, hearth: Outcome, synapse: Outcome): Difference | null {
  const [ours, theirs] = [verdict(hearth), verdict(synapse)]
  if (ours === theirs) return null
  const parts = hearth.status < 300 !== synapse.status < 300
  return { key: `${name}: ${ours} / ${theirs}`, hearth: hearth.raw, synapse: synapse.raw, parts }
}

/** Compares JSON under a path, and adds what differs. */
export function compareJson(prefix: string, a: unknown, b: unknown, path: string, found: Difference[]): void {
  const add = (kind: string) => found.push({ key: `${prefix} ${path || 'body'} ${kind}`, hearth: a, synapse: b })
  if (path !== '' && !path.startsWith('event[') && isEvent(a) && isEvent(b)) {
    // Whatever is odd about an event is odd wherever it stands in the answer.
    path = `event[${a['type']}]`
  }
  if (typeName(a) !== typeName(b)) add(`${typeName(a)} / ${typeName(b)}`)
  else if (Array.isArray(a) && Array.isArray(b)) compareLists(prefix, a, b, path, found)
  else if (isObject(a) && isObject(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const below = step(path, DATA_KEY.test(key) ? '*' : key)
      const owner = !Object.hasOwn(a, key) ? 'only synapse' : !Object.hasOwn(b, key) ? 'only hearth' : null
      if (owner === null) compareJson(prefix, a[key], b[key], below, found)
      else found.push({ key: `${prefix} ${below} ${owner}`, hearth: a[key], synapse: b[key] })
    }
  } else if (a !== b) add('differs')
}

function compareLists(prefix: string, a: readonly unknown[], b: readonly unknown[], path: string, found: Difference[]) {
  const [ours, theirs] = [numbered(a), numbered(b)]
  for (const [id, item] of ours) {
    if (!theirs.has(id))
      found.push({ key: `${prefix} ${inList(path, item)} only hearth`, hearth: item, synapse: undefined })
  }
  for (const [id, item] of theirs) {
    const our = ours.get(id)
    if (our !== undefined) compareJson(prefix, our, item, inList(path, item), found)
    else found.push({ key: `${prefix} ${inList(path, item)} only synapse`, hearth: undefined, synapse: item })
  }
  const common = [...ours.keys()].filter((id) => theirs.has(id))
  const orderThere = [...theirs.keys()].filter((id) => ours.has(id))
  const first = common.findIndex((id, i) => id !== orderThere[i])
  if (first >= 0) {
    const place = `${inList(path, ours.get(common[first]!))} before ${inList('', theirs.get(orderThere[first]!))}`
    found.push({ key: `${prefix} ${place} order`, hearth: common, synapse: orderThere })
  }
}

/** By identity; what occurs again gets a number. */
function numbered(list: readonly unknown[]): Map<string, unknown> {
  const items = new Map<string, unknown>()
  for (const item of list) {
    const id = identity(item)
    let name = id
    for (let n = 2; items.has(name); n++) name = `${id} ${n}`
    items.set(name, item)
  }
  return items
}

function inList(path: string, item: unknown): string {
  const type = isObject(item) ? (item['type'] ?? item['rule_id'] ?? '') : ''
  return `${path}[${typeof type === 'string' ? type : ''}]`
}

function isEvent(value: unknown): value is Record<string, unknown> {
  return isObject(value) && typeof value['type'] === 'string' && typeof value['sender'] === 'string'
}

function step(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}

function verdict({ status, raw }: Outcome): string {
  if (status < 300) return String(status)
  const code = isObject(raw) ? raw['errcode'] : undefined
  return typeof code === 'string' ? `${status} ${code}` : `${status}`
}

function withoutText(body: unknown, isError: boolean): unknown {
  if (!isError || !isObject(body)) return body
  return Object.fromEntries(Object.entries(body).filter(([key]) => key !== ERROR_FREE))
}

function typeName(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}
