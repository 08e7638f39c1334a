/** From a file and the environment to the frozen `Config`. Anything unknown or wrong throws `ConfigError`. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml'
import { complete } from '#config/complete.ts'
import { ConfigError, nearest, type Problem } from '#config/problems.ts'
import { type Annotations, type Config, configSchema } from '#config/schema.ts'

/** Settings that containers and scripts give without a file; they win over it. */
const ENVIRONMENT: Readonly<Record<string, readonly [string] | readonly [string, string]>> = {
  HEARTH_SERVER_NAME: ['server_name'],
  HEARTH_PUBLIC_BASEURL: ['public_baseurl'],
  HEARTH_DATA_DIR: ['data_dir'],
  HEARTH_DATABASE: ['database'],
  HEARTH_LOG_LEVEL: ['log', 'level'],
  HEARTH_REGISTRATION_SHARED_SECRET: ['registration', 'shared_secret'],
}
/** For the tests of the project. */
const IGNORED_PREFIX = 'HEARTH_TEST_'

type Environment = Readonly<Record<string, string | undefined>>

/** Reads `file` (none: everything is default), with relative paths taken from its folder. */
export function loadConfig(file: string | null, environment: Environment): Config {
  const folder = file === null ? process.cwd() : dirname(resolve(file))
  if (file === null) return parseConfig('', { source: 'environment', folder, environment })
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(file, [{ key: '', message: `can't be read (${(error as Error).message})`, line: null }])
  }
  return parseConfig(text, { source: file, folder, environment })
}

/** `loadConfig` for a text. `source` names it in errors. */
export function parseConfig(text: string, from: { source: string; folder: string; environment: Environment }): Config {
  const problems: Problem[] = []
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  for (const error of document.errors) {
    problems.push({ key: '', message: error.message.split('\n')[0]!, line: error.linePos?.[0].line ?? null })
  }
  if (problems.length > 0) throw new ConfigError(from.source, problems)
  const given = withEnvironment((document.toJS() ?? {}) as unknown, from.environment, problems)
  const settings = complete(configSchema, given, (path, message, atKey) => {
    problems.push({ key: path.join('.'), message, line: lineOf(document, lines, path, atKey) })
  })
  if (problems.length > 0) throw new ConfigError(from.source, problems)
  return deepFreeze(finish(settings as Omit<Config, 'without_effect'>, given as object, from.folder))
}

function withEnvironment(given: unknown, environment: Environment, problems: Problem[]): unknown {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return given
  const result: Record<string, unknown> = { ...given }
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('HEARTH_') || name.startsWith(IGNORED_PREFIX) || value === undefined) continue
    if (!Object.hasOwn(ENVIRONMENT, name)) {
      const meant = nearest(name, Object.keys(ENVIRONMENT))
      problems.push({
        key: name,
        message: `is no setting${meant === null ? '' : `; did you mean ${meant}?`}`,
        line: null,
      })
      continue
    }
    const [section, key] = ENVIRONMENT[name]!
    result[section] = key === undefined ? value : { ...(result[section] as object | undefined), [key]: value }
  }
  return result
}

function lineOf(
  document: Document,
  lines: LineCounter,
  path: readonly (string | number)[],
  atKey?: string,
): number | null {
  // What is missing has no line of its own; then that of the nearest section around it counts.
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true)
    const name = length === path.length && atKey !== undefined ? atKey : path[length - 1]
    const key = isMap(parent)
      ? parent.items.find((pair) => isScalar(pair.key) && pair.key.value === name)?.key
      : undefined
    const node = isScalar(key) ? key : document.getIn(path.slice(0, length), true)
    const range = (node as { range?: readonly [number, number, number] } | undefined)?.range
    if (range !== undefined) return lines.linePos(range[0]).line
  }
  return null
}

function finish(settings: Omit<Config, 'without_effect'>, given: object, folder: string): Config {
  const path = (name: string) => resolve(folder, name)
  const { ca_file: caFile, ...federation } = settings.federation
  return {
    ...settings,
    public_baseurl: (settings.public_baseurl ?? defaultBaseUrl(settings)).replace(/\/$/, ''),
    data_dir: path(settings.data_dir),
    listeners: settings.listeners.map((listener) =>
      listener.tls === undefined
        ? listener
        : { ...listener, tls: { cert: path(listener.tls.cert), key: path(listener.tls.key) } },
    ),
    federation: caFile === undefined ? federation : { ...federation, ca_file: path(caFile) },
    app_services: settings.app_services.map(path),
    without_effect: Object.keys(given).filter(
      (key) => (configSchema.properties as Record<string, Annotations>)[key]?.noEffectYet === true,
    ),
  }
}

function defaultBaseUrl(settings: Pick<Config, 'server_name' | 'listeners'>): string {
  const { server_name: name, listeners } = settings
  if (name !== 'localhost') return `https://${name}`
  const listener = listeners.find(({ resources }) => resources.includes('client')) ?? listeners[0]!
  return `${listener.tls === undefined ? 'http' : 'https'}://localhost:${listener.port}`
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const inner of Object.values(value)) deepFreeze(inner)
  return Object.freeze(value)
}
