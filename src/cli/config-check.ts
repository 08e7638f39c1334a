import type { Config } from '#config/schema.ts'
import { checkDatabase } from '../server.ts'
import type { Io } from './io.ts'

/** `hearth config check`, when the settings are right by themselves. @throws StartError where a start would fail */
export async function checkConfig(config: Config, io: Io): Promise<number> {
  const database = await checkDatabase(config)
  io.print('The settings are right')
  if (database === null) io.print('The database is new: the first start makes its tables')
  if (!database?.hasAccounts) io.print(`The first account fixes the server's name for good: ${config.server_name}`)
  return 0
}
