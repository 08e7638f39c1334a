import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import type { Config } from '#config/schema.ts'
import { encodeBase64Url } from '#core/crypto.ts'
import { openServices } from '../server.ts'
import type { Io } from './io.ts'

/** 20 letters: more than anybody guesses, few enough to be copied by hand. */
const PASSWORD_BYTES = 15

/**
 * `hearth user add NAME`: makes an account, whether the server runs or not. Throws MatrixError for a name that is
 * taken or not allowed.
 */
export async function addUser(
  config: Config,
  io: Io,
  wish: { localpart: string; password: string | null; fromStdin: boolean; admin: boolean },
): Promise<number> {
  const { localpart, admin } = wish
  const given = wish.fromStdin ? (await io.readInput()).replace(/\r?\n$/, '') : wish.password
  const password = given ?? encodeBase64Url(randomBytes(PASSWORD_BYTES))
  const log = pino({ level: 'error' }, pino.destination({ dest: 2, sync: true }))
  await using opened = await openServices(config, { clock: Date.now, randomBytes, log })
  const { userId } = await opened.services.accounts.createAccount({ localpart, password, admin })
  io.print(given === null ? `${userId} ${password}` : userId)
  return 0
}
