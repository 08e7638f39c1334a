import { type Api, type Body, type Event, room } from '#test/system/harness/api.ts'

export type SyncChoice = {
  readonly name: string
  readonly filter: FilterJson
  readonly useStateAfter: boolean
}
export type FilterJson = {
  readonly room?: Readonly<Record<string, object | boolean>>
  readonly [part: string]: unknown
}
type EventFilterJson = {
  readonly types?: readonly string[]
  readonly not_types?: readonly string[]
  readonly not_senders?: readonly string[]
  readonly lazy_load_members?: boolean
}

/** What a client keeps of a room. */
export type RoomCopy = {
  membership: 'join' | 'invite' | 'knock' | 'leave'
  /** By type and state key. */
  readonly state: Map<string, Event>
  /** Without gaps: a limited answer starts it anew. */
  timeline: Event[]
  readonly stripped: Map<string, Body>
  readonly accountData: Map<string, Body>
  readonly receipts: Map<string, string>
  typing: string[]
  summary: Body
  unread: Body
  /** The client has seen this room joined since it last came into view. */
  wasJoined: boolean
}

/** The plainest client there is: it folds the answers of /sync as the specification says, and keeps the result. */
export class FoldedClient {
  readonly api: Api
  readonly choice: SyncChoice
  readonly rooms = new Map<string, RoomCopy>()
  readonly accountData = new Map<string, Body>()
  /** What was wrong with single answers. */
  readonly problems: string[] = []
  since: string | undefined
  /** The ids of all timeline events that it was given, whatever became of their room's copy. */
  readonly #given = new Set<string>()

  constructor(api: Api, choice: SyncChoice) {
    this.api = api
    this.choice = choice
  }

  filterOf(part: 'state' | 'timeline'): EventFilterJson {
    return (this.choice.filter.room?.[part] ?? {}) as EventFilterJson
  }

  /** Forgets everything, as one who logs in anew. */
  reset(): void {
    this.rooms.clear()
    this.accountData.clear()
    this.#given.clear()
    this.since = undefined
  }

  /** One sync without waiting. Tells which rooms were in the answer. */
  async sync(fullState = false): Promise<Set<string>> {
    const answer = await this.#ask(fullState)
    this.since = answer.next_batch
    for (const event of answer.account_data?.events ?? []) this.accountData.set(event.type, event.content)
    const { join = {}, invite = {}, knock = {}, leave = {} } = answer.rooms ?? {}
    for (const [id, part] of Object.entries<Body>(join)) this.#joined(id, part)
    for (const [id, part] of Object.entries<Body>(invite)) this.#outside(id, 'invite', part.invite_state.events)
    for (const [id, part] of Object.entries<Body>(knock)) this.#outside(id, 'knock', part.knock_state.events)
    for (const [id, part] of Object.entries<Body>(leave)) this.#left(id, part)
    return new Set(
      [join, invite, knock, leave]
        .flatMap(Object.keys)
        .concat(answer.account_data?.events?.length ? ['account data'] : []),
    )
  }

  /** A sync whose answer gets lost on the way: the client will ask for the same again. */
  async syncInVain(): Promise<void> {
    await this.#ask(false)
  }

  #ask(fullState: boolean): Promise<Body> {
    return this.api.sync({
      filter: JSON.stringify(this.choice.filter),
      use_state_after: this.choice.useStateAfter ? true : undefined,
      full_state: fullState ? true : undefined,
      since: this.since,
      timeout: 0,
    })
  }

  #joined(id: string, part: Body): void {
    const before = this.rooms.get(id)
    const copy = before?.membership === 'join' ? before : newCopy('join')
    copy.wasJoined = true
    this.rooms.set(id, copy)
    this.#applyTimeline(id, copy, part)
    for (const event of part.account_data.events) copy.accountData.set(event.type, event.content)
    for (const event of part.ephemeral.events) applyEphemeral(copy, event)
    Object.assign(copy.summary, part.summary)
    copy.unread = { ...part.unread_notifications, threads: part.unread_thread_notifications }
    if (this.filterOf('state').lazy_load_members === true) {
      for (const { sender } of part.timeline.events as Event[]) {
        if (!copy.state.has(key('m.room.member', sender))) this.problems.push(`${id}: no member event of ${sender}`)
      }
    }
  }

  #left(id: string, part: Body): void {
    const before = this.rooms.get(id)
    const copy = before?.membership === 'join' ? before : newCopy('leave')
    copy.membership = 'leave'
    this.rooms.set(id, copy)
    this.#applyTimeline(id, copy, part)
  }

  #outside(id: string, membership: 'invite' | 'knock', events: readonly Body[]): void {
    const copy = newCopy(membership)
    for (const event of events) copy.stripped.set(key(event.type, event.state_key), [event.sender, event.content])
    this.rooms.set(id, copy)
  }

  #applyTimeline(id: string, copy: RoomCopy, part: Body): void {
    const { events, limited } = part.timeline as { events: Event[]; limited: boolean }
    if (limited) copy.timeline = []
    for (const event of events) {
      if (this.#given.has(event.event_id)) this.problems.push(`${id}: ${event.event_id} came twice`)
      this.#given.add(event.event_id)
      copy.timeline.push(event)
    }
    const wrongKey = this.choice.useStateAfter ? 'state' : 'state_after'
    if (part[wrongKey] !== undefined) this.problems.push(`${id}: ${wrongKey} was not asked for`)
    // "Clients MUST NOT update their state from the timeline" where state_after is given.
    const stateEvents: Event[] = this.choice.useStateAfter ? part.state_after.events : [...part.state.events, ...events]
    for (const event of stateEvents) {
      if (event.state_key !== undefined) copy.state.set(key(event.type, event.state_key), event)
    }
  }
}

export function key(type: string, stateKey: string): string {
  return `${type} ${stateKey}`
}

/** Every event of the room that this user may see, oldest first. */
export function visibleHistory(client: FoldedClient, roomId: string): Promise<Event[]> {
  return client.api.history(roomId, 100)
}

/** The event ids of a room's current state as one sees it who is in it. */
export async function currentState(api: Api, roomId: string): Promise<Map<string, string>> {
  const events: Event[] = await api.get(room(roomId, 'state'))
  return new Map(events.map((event) => [key(event.type, event.state_key!), event.event_id]))
}

function newCopy(membership: RoomCopy['membership']): RoomCopy {
  return {
    membership,
    state: new Map(),
    timeline: [],
    stripped: new Map(),
    accountData: new Map(),
    receipts: new Map(),
    typing: [],
    summary: {},
    unread: {},
    wasJoined: false,
  }
}

function applyEphemeral(copy: RoomCopy, event: Body): void {
  if (event.type === 'm.typing') copy.typing = event.content.user_ids
  if (event.type !== 'm.receipt') return
  for (const [eventId, byType] of Object.entries<Body>(event.content)) {
    for (const [type, byUser] of Object.entries<Body>(byType)) {
      for (const [userId, { thread_id: thread }] of Object.entries<Body>(byUser)) {
        copy.receipts.set(`${type} ${userId} ${thread ?? ''}`, eventId)
      }
    }
  }
}
