import type { Event, StateMap } from '#core/event/event.ts'
import { stateMapKey } from '#core/event/event.ts'
import { ALICE, BOB, type EventDraft, TestRoom } from '#test/generators/test-room.ts'

/** Two states of a room, with a history made to be slow to walk. */
export type HostileGraph = { readonly room: TestRoom; readonly states: readonly StateMap[] }

/** Every event cites the two before it and the first ones: the paths through it can't be counted. */
export function diamonds(version: string, count: number): HostileGraph {
  return grow(version, count, (room, made) =>
    levels(room, made.length, [...room.event({}).authEvents, ...made.slice(-2)]),
  )
}

/** Each power levels event cites the one before: a mainline as long as the graph. */
export function longChain(version: string, count: number): HostileGraph {
  return grow(version, count, (room, made) => {
    room.state.set(
      stateMapKey('m.room.power_levels', ''),
      made.at(-1) ?? (room.lookup('m.room.power_levels', '') as Event),
    )
    return levels(room, made.length, undefined)
  })
}

/** All events are about one thing and know of none of the others. */
export function wideFork(version: string, count: number): HostileGraph {
  return grow(version, count, (room, made) => levels(room, made.length, undefined))
}

/** As many states as a merge event can cite, of the forks of a wide fork. */
export function everyoneDiffers({ room, states }: HostileGraph): HostileGraph {
  const forks = [...room.events.values()].filter(({ type }) => type === 'm.room.power_levels')
  const key = 'm.room.power_levels\0'
  const more = forks.slice(0, 17).map(({ eventId }) => new Map([...room.stateMap(), [key, eventId]]))
  return { room, states: [...states, ...more] }
}

/** A long chain of power levels, and as many topics each of which cites another link of it. */
export function manyEpochs(version: string, count: number): HostileGraph {
  const { room, states } = longChain(version, count / 2)
  const chain = [...room.events.values()].filter(({ type }) => type === 'm.room.power_levels')
  const [first, ...others] = states as [StateMap, ...StateMap[]]
  const topics = new Map(first)
  for (const [index, link] of chain.entries()) {
    const authEvents = [room.create, link, room.lookup('m.room.member', ALICE) as Event]
    const stateKey = `topic${index}`
    const topic = room.event({ type: 'm.room.topic', stateKey, content: {}, authEvents, ts: chain.length - index })
    topics.set(stateMapKey('m.room.topic', stateKey), topic.eventId)
  }
  return { room, states: [topics, ...others] }
}

function levels(room: TestRoom, index: number, authEvents: readonly (string | Event)[] | undefined): EventDraft {
  const content = { users: room.users({ [BOB]: 50 + (index % 2) }) }
  const draft = { type: 'm.room.power_levels', stateKey: '', content, ts: index }
  return authEvents === undefined ? draft : { ...draft, authEvents }
}

function grow(
  version: string,
  count: number,
  next: (room: TestRoom, made: readonly Event[]) => EventDraft,
): HostileGraph {
  const room = new TestRoom(version)
  const before = room.stateMap()
  const made: Event[] = []
  while (made.length < count) made.push(room.event(next(room, made)))
  const ends = [made.at(-1), made[Math.floor(count / 3)]].map((event) => (event as Event).eventId)
  return {
    room,
    states: [before, ...ends.map((id) => new Map([...before, [stateMapKey('m.room.power_levels', ''), id]]))],
  }
}
