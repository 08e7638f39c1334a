import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import type { Config } from '#config/schema.ts'
import { openServices } from '../server.ts'
import type { Io } from './io.ts'

/**
 * `hearth federation check NAME`: walks the way to another server, and prints each step with what is wrong. Returns 0
 * where all is well at one of its addresses.
 */
export async function checkFederation(
  config: Config,
  io: Io,
  wish: { server: string; json: boolean },
): Promise<number> {
  const log = pino({ level: 'error' }, pino.destination({ dest: 2, sync: true }))
  await using opened = await openServices(config, { clock: Date.now, randomBytes, log })
  const report = await opened.services.federation.check.run(wish.server)
  if (wish.json) {
    io.print(JSON.stringify(report, null, 2))
    return report.ok ? 0 : 1
  }
  for (const { step, ok, text } of report.steps) io.print(`${ok ? 'ok   ' : 'WRONG'}  ${step.padEnd(14)}  ${text}`)
  io.print(report.ok ? `${wish.server} can be reached` : `${wish.server} can't be reached as it should be`)
  return report.ok ? 0 : 1
}
