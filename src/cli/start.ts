import { randomBytes } from 'node:crypto'
import type { Config } from '#config/schema.ts'
import { startServer } from '../server.ts'
import { makeLogger } from './logger.ts'
import { VERSION } from './version.ts'

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
  if (firstRun !== null) log.info(`There is no administrator yet. Make one here, once: ${firstRun}`)
  const signal = await signalled
  log.info(`Stopping on ${signal}; once more to stop at once`)
  await server.stop()
  log.info('Stopped')
  return 0
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
