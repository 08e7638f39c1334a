/** What an append writes, table by table. */
import { deleteFrom, insertInto, update } from '#store/sql/row-batch.ts'

export const EVENT_ROW = insertInto('events', {
  nid: 'integer',
  event_id: 'text',
  room_nid: 'integer',
  position: 'integer',
  rank: 'integer',
  sender_nid: 'integer',
  origin_server_ts: 'integer',
  depth: 'integer',
  generation: 'integer',
  state_before: 'integer',
  state_after: 'integer',
  flags: 'integer',
  prev: 'bytes',
  auth: 'bytes',
  json: 'text',
})

/** An outlier becomes a timeline event. */
export const PROMOTED_EVENT = update(
  'events',
  {
    position: 'integer',
    rank: 'integer',
    generation: 'integer',
    state_before: 'integer',
    state_after: 'integer',
    flags: 'integer',
    prev: 'bytes',
    auth: 'bytes',
  },
  'nid',
)

export const LOG_ROW = insertInto('log', {
  position: 'integer',
  kind: 'integer',
  room_nid: 'integer',
  user_nid: 'integer',
})

export const ROOM_HEAD = update(
  'rooms',
  {
    head_seq: 'integer',
    state_id: 'integer',
    rank_max: 'integer',
    last_position: 'integer',
    joined: 'integer',
    invited: 'integer',
    local_joined: 'integer',
  },
  'nid',
)

export const NEW_EXTREMITY = insertInto('extremities', { room_nid: 'integer', event_nid: 'integer' })
export const CITED_EXTREMITY = deleteFrom('extremities', { room_nid: 'integer', event_nid: 'integer' })

export const REJECTION = insertInto(
  'rejections',
  { event_nid: 'integer', reason: 'text' },
  'ON CONFLICT (event_nid) DO UPDATE SET reason = excluded.reason',
)
export const NO_REJECTION = deleteFrom('rejections', { event_nid: 'integer' })

export const GAP = insertInto('backward_extremities', {
  room_nid: 'integer',
  rank: 'integer',
  missing_id: 'text',
  cited_by: 'integer',
})
export const PENDING_REDACTION = insertInto('pending_redactions', { target_id: 'text', event_nid: 'integer' })
export const LATE_REDACTION = insertInto('late_redactions', {
  room_nid: 'integer',
  position: 'integer',
  event_nid: 'integer',
})

export const RELATION = insertInto('relations', {
  parent_id: 'text',
  event_nid: 'integer',
  room_nid: 'integer',
  rel_type: 'text',
  type: 'text',
})
export const REDACTED_RELATION = deleteFrom('relations', { parent_id: 'text', event_nid: 'integer' })
export const THREAD_EVENT = insertInto('thread_events', { event_nid: 'integer', root_id: 'text' })
export const REDACTED_THREAD_EVENT = deleteFrom('thread_events', { event_nid: 'integer' })
export const REDACTED_EVENT = update('events', { json: 'text', redacted_by: 'integer' }, 'nid')

export const TRANSACTION = insertInto('transactions', {
  event_nid: 'integer',
  user_nid: 'integer',
  device_id: 'text',
  room_nid: 'integer',
  txn_id: 'text',
  endpoint: 'text',
  ts: 'integer',
})

export const CURRENT_STATE = insertInto(
  'current_state',
  { room_nid: 'integer', type_nid: 'integer', key_nid: 'integer', event_nid: 'integer' },
  'ON CONFLICT (room_nid, type_nid, key_nid) DO UPDATE SET event_nid = excluded.event_nid',
)
export const NO_CURRENT_STATE = deleteFrom('current_state', {
  room_nid: 'integer',
  type_nid: 'integer',
  key_nid: 'integer',
})
export const STATE_LOG = insertInto('state_log', { room_nid: 'integer', position: 'integer', state_id: 'integer' })

export const MEMBERSHIP = insertInto(
  'memberships',
  {
    user_nid: 'integer',
    room_nid: 'integer',
    membership: 'integer',
    event_nid: 'integer',
    since: 'integer',
    position: 'integer',
    forgotten: 'integer',
  },
  `ON CONFLICT (user_nid, room_nid) DO UPDATE SET membership = excluded.membership, event_nid = excluded.event_nid,
   since = excluded.since, position = excluded.position, forgotten = excluded.forgotten`,
)
export const MEMBERSHIP_LOG = insertInto('membership_log', {
  room_nid: 'integer',
  user_nid: 'integer',
  position: 'integer',
  membership: 'integer',
  event_nid: 'integer',
})
export const STRIPPED_STATE = insertInto(
  'stripped_states',
  { user_nid: 'integer', room_nid: 'integer', events: 'text' },
  'ON CONFLICT (user_nid, room_nid) DO UPDATE SET events = excluded.events',
)
export const NO_STRIPPED_STATE = deleteFrom('stripped_states', { user_nid: 'integer', room_nid: 'integer' })

export const ROOM_SERVER = insertInto(
  'room_servers',
  { room_nid: 'integer', server: 'text', joined: 'integer' },
  'ON CONFLICT (room_nid, server) DO UPDATE SET joined = excluded.joined',
)
export const NO_ROOM_SERVER = deleteFrom('room_servers', { room_nid: 'integer', server: 'text' })
export const ROOM_SERVER_LOG = insertInto('room_server_log', {
  room_nid: 'integer',
  position: 'integer',
  server: 'text',
  present: 'integer',
})
