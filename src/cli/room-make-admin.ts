import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import type { Config } from '#config/schema.ts'
import { isRoomId, isUserId } from '#core/ids.ts'
import { invalidParam } from '#core/matrix-error.ts'
import { openServices } from '../server.ts'
import type { Io } from './io.ts'

/**
 * `hearth room make-admin ROOM USER`: gives a user the power of the most powerful user of this server in the room,
 * whether the server runs or not. Throws MatrixError where nobody of this server holds power there.
 */
export async function makeRoomAdmin(config: Config, io: Io, roomId: string, userId: string): Promise<number> {
  if (!isRoomId(roomId)) throw invalidParam(`${roomId} is not a room id`)
  if (!isUserId(userId)) throw invalidParam(`${userId} is not a user id`)
  const log = pino({ level: 'error' }, pino.destination({ dest: 2, sync: true }))
  await using opened = await openServices(config, { clock: Date.now, randomBytes, log })
  const { by, level } = await opened.services.rooms.administrators.appoint(userId, roomId)
  io.print(`${userId} has ${level} in ${roomId}, through ${by}`)
  return 0
}
