/** Makes two servers' answers comparable: what they are free to choose is replaced by what it is. */
import { SERVER_NAME } from '#test/twin/servers.ts'

/** Fields whose value each server chooses, by what they hold. */
const CHOSEN: Readonly<Record<string, string>> = {
  ...kind('<time>', 'origin_server_ts', 'age', 'age_ts', 'ts', 'last_active_ago', 'last_seen_ts', 'redacted_ts'),
  ...kind('<duration>', 'expires_in', 'expires_in_ms', 'retry_after_ms', 'inhibit_login'),
  ...kind('<token>', 'next_batch', 'prev_batch', 'start', 'end', 'prev_token', 'end_token', 'next_link'),
  ...kind('<secret>', 'access_token', 'refresh_token', 'session', 'nonce', 'macaroon'),
  ...kind('<number>', 'total_room_count_estimate'),
  ...kind('<made up>', 'filter_id', 'etag', 'version', 'user_agent', 'last_seen_user_agent'),
}
/** Arrays without a promised order, by their last names. */
const UNORDERED: readonly string[] = [
  ...['state', 'state.events', 'state_after.events', 'account_data.events', 'ephemeral.events', 'presence.events'],
  ...['invite_state.events', 'knock_state.events', 'to_device.events', 'account_data', 'presence', 'receipts'],
  ...['device_lists.changed', 'device_lists.left', 'changed', 'left', 'joined_rooms', 'devices', 'aliases'],
  ...['user_ids', 'device_unused_fallback_key_types', 'children_state', 'flows', 'members', 'rooms', 'invite'],
  // Of a push rule all conditions must hold, and each action is done.
  ...['actions', 'conditions', 'additional_creators', 'm.heroes'],
]
/** Where rooms of other scripts may stand too. */
const LISTS_OF_ALL = new Set(['chunk'])
const MADE_UP_DEVICE = /^[A-Z0-9]{10}$/
const SHORT = 8
const EVENT_ID = /\$[A-Za-z0-9_-]{43}/g
const ROOM_ID = new RegExp(`![A-Za-z0-9_-]{43}|![A-Za-z0-9_-]{10,43}:${SERVER_NAME.replace('.', '\\.')}`, 'g')

export class Normaliser {
  readonly #names = new Map<string, string>()
  #known: RegExp | null = null

  /** From now on the value is called so. Short ones could stand for anything. */
  know(value: string, name: string): void {
    if (value.length < SHORT) return
    this.#names.set(value, name)
    this.#known = null
  }

  normalise(json: unknown, unordered: readonly string[] = []): unknown {
    this.#nameEvents(json)
    return this.#walk(json, [], [...UNORDERED, ...unordered])
  }

  /** Events that no request made are called by what they are. */
  #nameEvents(json: unknown): void {
    if (Array.isArray(json)) for (const inner of json) this.#nameEvents(inner)
    else if (isObject(json)) {
      const { event_id: id, type, sender, state_key: key, content } = json
      if (typeof id === 'string' && typeof type === 'string' && !this.#names.has(id)) {
        const membership = isObject(content) ? (content['membership'] ?? '') : ''
        const name = this.#text([type, key, `by ${sender}`, membership].filter((part) => part !== '').join(' '))
        this.know(id, `<${name}>`)
      }
      for (const inner of Object.values(json)) this.#nameEvents(inner)
    }
  }

  #walk(json: unknown, path: readonly string[], unordered: readonly string[]): unknown {
    const field = path.at(-1) ?? ''
    const isOurs = path.at(-2) === 'content' && field !== 'last_active_ago'
    const chosen = Object.hasOwn(CHOSEN, field) && !isOurs ? CHOSEN[field] : undefined
    if (chosen !== undefined && (typeof json === 'string' || typeof json === 'number')) return `${chosen}`
    if (typeof json === 'string') return MADE_UP_DEVICE.test(json) ? '<made up>' : this.#text(json)
    if (Array.isArray(json)) {
      const own = LISTS_OF_ALL.has(field) ? json.filter((item) => this.#isOfScript(item)) : json
      const items = own.map((inner) => this.#walk(inner, path, unordered))
      const name = path.join('.')
      const isFree = unordered.some((ending) => name === ending || name.endsWith(`.${ending}`))
      return isFree ? items.sort((a, b) => compare(sortKey(a), sortKey(b))) : items
    }
    if (!isObject(json)) return json
    const entries = Object.entries(json).map(([key, inner]) => {
      const name = this.#text(key)
      return [name, this.#walk(inner, [...path, name], unordered)] as const
    })
    return Object.fromEntries(entries.sort(([a], [b]) => compare(a, b)))
  }

  /** Whether a room in a list of everybody's is one of the script's own. */
  #isOfScript(item: unknown): boolean {
    const room = isObject(item) ? item['room_id'] : undefined
    return typeof room !== 'string' || (isObject(item) && 'type' in item) || this.#names.has(room)
  }

  #text(text: string): string {
    if (this.#known === null && this.#names.size > 0) {
      const longestFirst = [...this.#names.keys()].sort((a, b) => b.length - a.length)
      this.#known = new RegExp(longestFirst.map((value) => RegExp.escape(value)).join('|'), 'g')
    }
    const named = this.#known === null ? text : text.replaceAll(this.#known, (value) => this.#names.get(value) ?? value)
    return named.replaceAll(EVENT_ID, '<some event>').replaceAll(ROOM_ID, '<some room>')
  }
}

/** Without what holds nothing: an answer may leave that out. */
export function withoutEmpty(json: unknown): unknown {
  if (!isObject(json)) return json
  const kept = Object.entries(json)
    .map(([key, inner]) => [key, withoutEmpty(inner)] as const)
    .filter(([, inner]) => !(Array.isArray(inner) && inner.length === 0) && !(isObject(inner) && isEmpty(inner)))
  return Object.fromEntries(kept)
}

function isEmpty(object: object): boolean {
  return Object.keys(object).length === 0
}

/** Who an object in a list is, for two lists to be laid side by side. */
export function identity(item: unknown): string {
  if (!isObject(item)) return JSON.stringify(item)
  const {
    event_id: id,
    type,
    state_key: key,
    sender,
    user_id: user,
    room_id: room,
    rule_id: rule,
    device_id: device,
  } = item
  if (typeof id === 'string' && typeof key !== 'string') return id
  if (typeof type === 'string') return `${type} ${key ?? ''} ${sender ?? ''}`.trim()
  if (typeof device === 'string') return device
  const named = [room, user, rule].filter((part) => typeof part === 'string')
  return named.length > 0 ? named.join(' ') : JSON.stringify(item)
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function sortKey(item: unknown): string {
  return `${identity(item)} ${JSON.stringify(item)}`
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function kind(what: string, ...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, what]))
}
