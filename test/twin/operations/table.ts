/** Every operation that scripts are made of. */
import type { Operation } from '#test/twin/operation.ts'
import { ACCOUNT_OPERATIONS } from '#test/twin/operations/accounts.ts'
import { ENCRYPTION_OPERATIONS } from '#test/twin/operations/encryption.ts'
import { ENDING_OPERATIONS } from '#test/twin/operations/endings.ts'
import { EVENT_OPERATIONS } from '#test/twin/operations/events.ts'
import { PERSONAL_OPERATIONS } from '#test/twin/operations/personal.ts'
import { PUSH_OPERATIONS } from '#test/twin/operations/push-rules.ts'
import { ROOM_READ_OPERATIONS } from '#test/twin/operations/room-reads.ts'
import { ROOM_OPERATIONS } from '#test/twin/operations/rooms.ts'
import { SYNC_OPERATIONS } from '#test/twin/operations/syncing.ts'

export const OPERATIONS: readonly Operation[] = [
  ...ROOM_OPERATIONS,
  ...EVENT_OPERATIONS,
  ...SYNC_OPERATIONS,
  ...ROOM_READ_OPERATIONS,
  ...PERSONAL_OPERATIONS,
  ...PUSH_OPERATIONS,
  ...ACCOUNT_OPERATIONS,
  ...ENCRYPTION_OPERATIONS,
  ...ENDING_OPERATIONS,
]
