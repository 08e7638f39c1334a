/** What keeps each table of the database from growing without end, as data: `test/table-limits.test.ts` reads it. */
import type { RateLimitName } from '#config/rate-limits.ts'

export type TableLimit =
  /** A limit in the source, by its name and the file that holds it to. */
  | { readonly limit: string; readonly in: string }
  /** Grows by what users do, at most at this rate, and is meant to be kept. */
  | { readonly rate: RateLimitName; readonly why: string }
  /** Dropped when it has had its time, in that file by that method. */
  | { readonly dropped: string; readonly in: string }
  /** No client makes it grow. */
  | { readonly bounded: string }

const HOUSEKEEPING = 'src/services/housekeeping/housekeeping.ts'
const events = (why: string): TableLimit => ({ rate: 'message', why })

/** Tables that no total of a user counts (those stand in `COUNTED_TABLES` of the schema). */
export const TABLE_LIMITS: Readonly<Record<string, TableLimit>> = {
  counters: { bounded: 'one row' },
  followers: { bounded: 'one row a follower of the log' },
  storage_use: { bounded: 'one row a user and kind' },
  users: { rate: 'other', why: 'people whom users of this server name, a short row each' },
  accounts: { rate: 'registration', why: 'one row an account' },
  access_tokens: { limit: 'SPENT_KEPT_MAX', in: 'src/services/accounts/sessions.ts' },
  uia_sessions: { dropped: 'uiaSessions.deleteExpired', in: HOUSEKEEPING },
  to_device_transactions: { dropped: 'toDevice.forgetTransactions', in: HOUSEKEEPING },
  to_device_message_ids: { dropped: 'toDevice.forgetMessageIds', in: HOUSEKEEPING },
  transactions: { dropped: 'events.forgetTransactions', in: HOUSEKEEPING },
  inbound_transactions: { dropped: 'inbound.forgetTransactions', in: HOUSEKEEPING },
  failing_destinations: { dropped: 'destinations.deleteFailingBefore', in: HOUSEKEEPING },
  staged_pdus: { limit: 'STAGED_PER_ORIGIN_MAX', in: 'src/services/federation/inbound/ingest.ts' },
  remote_device_lists: { bounded: 'one row for each user of another server who shares a room with one of this server' },
  remote_devices: { limit: 'DEVICES_MAX', in: 'src/services/federation/encryption/remote-list-fetcher.ts' },
  server_keys: { limit: 'KEYS_MAX', in: 'src/services/federation/keys/server-keys.ts' },
  server_key_documents: { limit: 'DOCUMENTS_MAX', in: 'src/services/federation/keys/known-keys.ts' },
  missed_events: { bounded: 'one row a server and room' },
  claimed_states: {
    bounded: 'states that servers told while a room joined through them is incomplete; dropped with that',
  },
  backward_extremities: events('at most the events that one event cites'),
  stripped_states: { limit: 'STRIPPED_ENTRIES_MAX', in: 'src/services/federation/membership/stripped-state.ts' },
  log: { rate: 'other', why: 'four numbers for each change that somebody may have to learn of' },
  device_list_changes: { rate: 'other', why: 'a short row for each change of a device, which old sync tokens ask for' },
  rooms: { rate: 'roomCreation', why: 'one row a room' },
  room_servers: { bounded: 'one row a room and server that is in it' },
  room_server_log: events('one row each time a server enters or leaves a room'),
  extremities: { limit: 'EXTREMITIES_MAX', in: 'src/services/rooms' },
  state_keys: events('one row for each kind of state event'),
  current_state: events('one row for each piece of state of a room'),
  state_log: events('one row a state event'),
  state_rows: events('one row a state event'),
  events: events('messages are what a homeserver keeps'),
  rejections: events('one row an event'),
  pending_redactions: events('one row a redaction'),
  late_redactions: events('one row a redaction'),
  left_out_events: { limit: 'LEFT_OUT_PER_ROOM_MAX', in: 'src/services/federation/inbound/left-out-events.ts' },
  relations: events('one row an event'),
  thread_events: events('one row an event'),
  memberships: { rate: 'joinLocal', why: 'one row a user and room' },
  membership_log: { rate: 'joinLocal', why: 'one row a change of a membership' },
}
