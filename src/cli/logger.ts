import { type Logger, pino, stdSerializers } from 'pino'
import pretty from 'pino-pretty'
import type { Config } from '#config/schema.ts'
import { withSourcePositions } from './source-positions.ts'

/** The log on standard output. Written at once, so that the last lines before an exit are not lost. */
export function makeLogger(settings: Config['log']): Logger {
  const options = { level: settings.level, base: null, serializers: { err: errorFields } }
  if (settings.format === 'json') return pino(options, pino.destination({ dest: 1, sync: true }))
  return pino(options, pretty({ sync: true, destination: 1, translateTime: 'SYS:HH:MM:ss.l' }))
}

function errorFields(error: Error) {
  const fields = stdSerializers.err(error)
  if (typeof fields?.stack === 'string') fields.stack = withSourcePositions(fields.stack)
  return fields
}
