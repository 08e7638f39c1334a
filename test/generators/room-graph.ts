import { checkStateDependent } from '#core/auth/state-dependent.ts'
import { authEventKeys } from '#core/event/auth-events.ts'
import { buildEvent } from '#core/event/build-event.ts'
import { type Event, type StateMap, stateMapKey } from '#core/event/event.ts'
import { referenceTo } from '#core/event/hash.ts'
import type { Signer } from '#core/event/sign.ts'
import { createEventIdOf, type EventId, type RoomId, serverOf } from '#core/ids.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'
import { resolve } from '#core/state/resolve.ts'
import { run } from '#core/state/steps.ts'
import { Random } from '#test/generators/random.ts'
import { CREATOR, type Draft, randomDraft, USERS } from '#test/generators/room-actions.ts'

/** A state resolution problem: the states of a room's branches, with the whole history behind them. */
export type RoomProblem = {
  readonly seed: number
  readonly rules: RoomVersionRules
  readonly roomId: RoomId
  /** In the order in which they were made: each after those it cites. */
  readonly events: ReadonlyMap<EventId, Event>
  /** Events that were found to fail against their own auth events. */
  readonly rejected: ReadonlySet<EventId>
  readonly states: readonly StateMap[]
  readonly counts: RoomCounts
}

export type RoomCounts = {
  readonly forks: number
  /** Keys for which the states hold different events. */
  readonly conflicts: number
  readonly bans: number
  readonly powerChanges: number
  /** Events that were refused, by their own auth events or by the state before them. */
  readonly rejected: number
}

type Branch = {
  state: Map<string, EventId>
  /** The state some time ago, as a server knows it that lags behind. */
  stale: StateMap
  heads: Event[]
}

const FORKS_MIN = 2
const BRANCHES_MAX = 4
const EVENTS_IN_PRELUDE = 8
/** Outdated, these do the most harm. */
const POWER_KEYS = ['m.room.power_levels\0', 'm.room.join_rules\0']
const ATTEMPTS_MAX = 50
const ATTEMPT_STRIDE = 1_000_003

/** A random room of about `eventCount` events, at least two forks and one conflict, the same for the same arguments. */
export function generateRoom(seed: number, rules: RoomVersionRules, eventCount: number): RoomProblem {
  // Some beginnings lead nowhere: everyone leaves, or the branches never differ. Then another one is tried.
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const problem = new RoomGraph(seed, new Random(seed + attempt * ATTEMPT_STRIDE), rules).grow(eventCount)
    if (problem !== null) return problem
  }
  throw new Error(`Seed ${seed} makes no problem`)
}

class RoomGraph {
  readonly #seed: number
  readonly #random: Random
  readonly #rules: RoomVersionRules
  readonly #events = new Map<EventId, Event>()
  readonly #rejected = new Set<EventId>()
  readonly #branches: Branch[] = []
  #roomId = '!room:a.example' as RoomId
  #now = 1_700_000_000_000
  #forks = 0
  #bans = 0
  #powerChanges = 0
  #refused = 0

  constructor(seed: number, random: Random, rules: RoomVersionRules) {
    this.#seed = seed
    this.#random = random
    this.#rules = rules
  }

  /** null where no conflict has come about in time. */
  grow(eventCount: number): RoomProblem | null {
    this.#begin()
    const limit = Math.max(40, eventCount)
    while (this.#events.size < eventCount || !this.#isProblem()) {
      if (this.#events.size >= limit) return null
      this.#reshape()
      this.#act(this.#random.pick(this.#branches))
    }
    const states = this.#branches.map((branch) => this.#misremembered(branch.state))
    const counts = {
      forks: this.#forks,
      conflicts: conflictCount(states),
      bans: this.#bans,
      powerChanges: this.#powerChanges,
      rejected: this.#refused,
    }
    // What the servers misremember may have hidden the last conflict.
    const shown = counts.conflicts > 0 ? states : this.#branches.map((branch) => branch.state)
    return {
      seed: this.#seed,
      rules: this.#rules,
      roomId: this.#roomId,
      events: this.#events,
      rejected: this.#rejected,
      states: shown,
      counts: { ...counts, conflicts: conflictCount(shown) },
    }
  }

  #isProblem(): boolean {
    return this.#forks >= FORKS_MIN && conflictCount(this.#branches.map((branch) => branch.state)) > 0
  }

  #begin(): void {
    const branch: Branch = { state: new Map(), stale: new Map(), heads: [] }
    this.#branches.push(branch)
    const names = this.#rules.auth.createNamesCreator ? { creator: CREATOR } : {}
    const others = this.#rules.auth.privilegedCreators && this.#random.chance(0.3) ? [USERS[3] as string] : []
    const create = this.#append(branch, {
      type: 'm.room.create',
      state_key: '',
      sender: CREATOR,
      content: {
        room_version: this.#rules.version,
        ...names,
        ...(others.length ? { additional_creators: others } : {}),
      },
    })
    this.#roomId = create.roomId
    const member = { type: 'm.room.member', state_key: CREATOR, sender: CREATOR, content: { membership: 'join' } }
    this.#append(branch, member)
    if (this.#random.chance(0.95)) {
      const creatorLevel = this.#rules.auth.privilegedCreators ? {} : { [CREATOR]: 100 }
      const users = { ...creatorLevel, [USERS[1] as string]: this.#random.pick([50, 100]), [USERS[2] as string]: 50 }
      this.#append(branch, { type: 'm.room.power_levels', state_key: '', sender: CREATOR, content: { users } })
    }
    const rule = this.#random.chance(0.75) ? 'public' : 'invite'
    this.#append(branch, {
      type: 'm.room.join_rules',
      state_key: '',
      sender: CREATOR,
      content: { join_rule: rule },
    })
    for (const userId of USERS.slice(1, this.#random.between(2, 4))) {
      if (this.#events.size >= EVENTS_IN_PRELUDE) break
      const sender = rule === 'public' ? userId : CREATOR
      const content = { membership: rule === 'public' ? 'join' : 'invite' }
      this.#append(branch, { type: 'm.room.member', state_key: userId, sender, content })
    }
  }

  /** Now and then a branch forks, or two of them meet. */
  #reshape(): void {
    const random = this.#random
    const branch = random.pick(this.#branches)
    if (branch.stale.size === 0 || random.chance(0.1)) branch.stale = new Map(branch.state)
    const mustFork = this.#forks < FORKS_MIN && random.chance(0.5)
    if (this.#branches.length < BRANCHES_MAX && (mustFork || random.chance(0.08))) {
      this.#branches.push({ state: new Map(branch.state), stale: branch.stale, heads: branch.heads })
      this.#forks += 1
    } else if (this.#branches.length > 2 && random.chance(0.06)) this.#merge()
  }

  #merge(): void {
    const [first, second, ...others] = this.#random.shuffled(this.#branches) as [Branch, Branch, ...Branch[]]
    const isRejected = (eventId: EventId) => this.#rejected.has(eventId)
    const state = run(resolve(this.#rules, [first.state, second.state], this.#events, { isRejected }))
    const heads = [...new Set([...first.heads, ...second.heads])]
    this.#branches.splice(0, this.#branches.length, { state: new Map(state), stale: first.stale, heads }, ...others)
  }

  #act(branch: Branch): void {
    const context = {
      rules: this.#rules,
      random: this.#random,
      stateEvent: (key: string) => {
        const eventId = branch.state.get(key)
        return eventId === undefined ? undefined : this.#events.get(eventId)
      },
    }
    let draft = randomDraft(context)
    // People mostly try what they may do.
    for (let tries = 0; tries < 4 && this.#random.chance(0.8); tries++) {
      if (this.#isAllowed(this.#build(branch, draft, branch.state), branch.state)) break
      draft = randomDraft(context)
    }
    this.#append(branch, draft)
  }

  /** Makes an event at the end of a branch; it enters the branch if it is allowed there, and rarely if it isn't. */
  #append(branch: Branch, draft: Draft): Event {
    const seen = this.#random.chance(0.15) && branch.stale.size > 0 ? branch.stale : branch.state
    const event = this.#build(branch, draft, seen)
    if (this.#events.has(event.eventId)) return event
    this.#events.set(event.eventId, event)
    const badAuth = event.authEvents.some((id) => this.#rejected.has(id)) || !this.#isAllowed(event, seen)
    // Not every server has judged it; as an event in some state that nothing authorises it is a harder case.
    if (badAuth && this.#random.chance(0.6)) this.#rejected.add(event.eventId)
    const refused = badAuth || !this.#isAllowed(event, branch.state)
    if (refused) this.#refused += 1
    else this.#count(event, branch)
    if (refused && !this.#random.chance(0.15)) return event
    branch.heads = [event]
    if (event.stateKey !== null) branch.state.set(stateMapKey(event.type, event.stateKey), event.eventId)
    return event
  }

  #build(branch: Branch, draft: Draft, seen: StateMap): Event {
    const random = this.#random
    // Clocks of servers differ, and some lie.
    this.#now += random.between(0, 3)
    const keys = authEventKeys({ ...draft, stateKey: draft.state_key ?? null }, this.#rules)
    const authEvents = keys.map((key) => seen.get(stateMapKey(...key))).filter((eventId) => eventId !== undefined)
    const isHashRoomCreate = this.#rules.roomIdIsCreateHash && draft.type === 'm.room.create'
    return buildEvent(
      {
        ...draft,
        ...(isHashRoomCreate ? {} : { room_id: this.#roomId }),
        prev_events: branch.heads.map(referenceTo),
        auth_events: authEvents.map((eventId) => referenceTo(this.#events.get(eventId) as Event)),
        depth: 1 + Math.max(0, ...branch.heads.map(({ depth }) => depth)),
        origin_server_ts: random.chance(0.1) ? this.#now - random.between(0, 200) : this.#now,
      },
      this.#rules,
      unsigned(serverOf(draft.sender)),
      () => `${random.bits().toString(36)}${this.#events.size}`,
    )
  }

  #isAllowed(event: Event, state: StateMap): boolean {
    return checkStateDependent(event, (type, stateKey) => {
      // In version 12 the room id says which event created the room.
      const implied = type === 'm.room.create' && this.#rules.roomIdIsCreateHash
      const eventId = implied ? createEventIdOf(this.#roomId) : state.get(stateMapKey(type, stateKey))
      return eventId === undefined ? undefined : this.#events.get(eventId)
    }).ok
  }

  #count(event: Event, branch: Branch): void {
    if (event.type === 'm.room.member' && event.content['membership'] === 'ban') this.#bans += 1
    const isChange = branch.state.has(stateMapKey('m.room.power_levels', ''))
    if (event.type === 'm.room.power_levels' && isChange) this.#powerChanges += 1
  }

  /** The state as a server would tell it that holds an outdated event, or lacks one. */
  #misremembered(state: StateMap): StateMap {
    const random = this.#random
    const told = new Map(state)
    if (!random.chance(0.4)) return told
    const keys = [...state.keys()].filter((entry) => !entry.startsWith('m.room.create\0'))
    const powerKeys = keys.filter((entry) => POWER_KEYS.includes(entry))
    const key = random.pick(powerKeys.length > 0 && random.chance(0.5) ? powerKeys : keys)
    const others = [...this.#events.values()].filter((event) => {
      return event.stateKey !== null && stateMapKey(event.type, event.stateKey) === key
    })
    if (random.chance(0.8)) told.set(key, random.pick(others).eventId)
    else told.delete(key)
    return told
  }
}

/** Nobody checks signatures here, and making them would be most of the work. */
function unsigned(name: string): Signer {
  return { name, keyId: 'ed25519:1', publicKey: new Uint8Array(32), sign: () => '' }
}

function conflictCount(states: readonly StateMap[]): number {
  const keys = new Set(states.flatMap((state) => [...state.keys()]))
  return [...keys].filter((key) => new Set(states.map((state) => state.get(key)).filter(Boolean)).size > 1).length
}
