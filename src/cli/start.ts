import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '#config/schema.ts'
import { startServer } from '../server.ts'
import { makeLogger } from './logger.ts'
import { collectStartGarbage } from './start-garbage.ts'
import { VERSION } from './version.ts'

/**
 * Until when a stop is over, whatever the load: ten seconds for requests, the rest for what services and the database
 * still have to do. What is acknowledged is on disk, so nothing is lost by an end in the middle of that.
 */
const STOP_MS_MAX = 11_500

/** `hearth start`: runs until SIGINT or SIGTERM, then ends in order; a second signal ends at once. */
export async function start(config: Config): Promise<number> {
  const log = makeLogger(config.log)
  const signalled = firstSignal()
  const server = await startServer(config, { clock: Date.now, randomBytes, log })
  for (const section of config.without_effect) log.warn(`The setting ${section} has no effect yet`)
  if (config.rate_limits === false) log.warn('Rate limits are off')
  log.info(`Hearth ${VERSION} serves ${config.server_name}`)
  for (const { url, resources } of server.addresses) log.info(`Listening on ${url} (${resources.join(', ')})`)
  const firstRun = await server.services.firstRun.address(config.public_baseurl)
  if (firstRun !== null) {
    log.info(`The name of this server is ${config.server_name}. The first account fixes it for good: see server_name`)
    log.info(`There is no administrator yet. Create one here, once: ${firstRun}`)
  }
  collectStartGarbage()
  const displaced = server.displaced.then((reason) => ({ reason }))
  const end = await Promise.race([signalled, displaced])
  if (typeof end === 'string') log.info(`Stopping on ${end}; once more to stop at once`)
  else log.fatal(`${end.reason}: stopping`)
  const isOrderly = await Promise.race([server.stop().then(() => true), sleep(STOP_MS_MAX, false)])
  if (isOrderly) log.info('Stopped')
  else log.warn('Stopped in the middle of work that took too long')
  return typeof end === 'string' ? 0 : 1
}

/** Resolves with the first SIGINT or SIGTERM; the next one ends the process there and then. */
function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let isSecond = false
    const onSignal = (signal: NodeJS.Signals) => {
      if (isSecond) process.exit(1)
      isSecond = true
      resolve(signal)
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
  })
}
