/** Syncs of clients with filters, each from its own last token. */
import { type Draft, type Operation, V3 } from '#test/twin/operation.ts'
import { DEVICES, USERS, type World } from '#test/twin/world.ts'

const SMALL = { timeline: { limit: 2 } }
export const FILTERS: Readonly<Record<string, object>> = {
  plain: {},
  small: { room: SMALL },
  lazy: { room: { timeline: { limit: 3 }, state: { lazy_load_members: true } } },
  leaving: { room: { include_leave: true, timeline: { limit: 4 } } },
  messages: { room: { timeline: { limit: 3, types: ['m.room.message'] } } },
  threads: { room: { timeline: { unread_thread_notifications: true, limit: 5 }, state: { lazy_load_members: true } } },
}

export const SYNC_OPERATIONS: readonly Operation[] = [
  {
    id: 'sync',
    method: 'GET',
    path: `${V3}/sync`,
    weight: 12,
    sparse: true,
    draft: (world) => syncOf(world, world.client()),
  },
]

/** Each client keeps to the filter that its script chose for it. */
export function syncOf(world: World, client: string): Draft {
  const filter = world.filterOf(client, Object.keys(FILTERS))
  return {
    as: client,
    query: { filter: JSON.stringify(FILTERS[filter]), since: `<since ${client}>`, timeout: 0 },
    binds: { [`since ${client}`]: ['next_batch'] },
  }
}

export function allClients(): string[] {
  return USERS.flatMap((user) => DEVICES.map((device) => `${user} ${device}`))
}
