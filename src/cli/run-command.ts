import { parseArgs } from 'node:util'
import { exampleConfig } from '#config/example.ts'
import { loadConfig } from '#config/load.ts'
import { ConfigError } from '#config/problems.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { StartError } from '../server.ts'
import { checkConfig } from './config-check.ts'
import { checkFederation } from './federation-check.ts'
import { HELP } from './help.ts'
import type { Io } from './io.ts'
import { makeRoomAdmin } from './room-make-admin.ts'
import { start } from './start.ts'
import { addUser } from './user-add.ts'
import { VERSION } from './version.ts'

/** The arguments make no sense. */
class UsageError extends Error {}

const OPTIONS = {
  config: { type: 'string' },
  password: { type: 'string' },
  'password-stdin': { type: 'boolean' },
  admin: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

/** Runs one command. Returns the exit code: 0, 1 where it failed, 2 where arguments or settings are wrong. */
export async function runCommand(args: readonly string[], io: Io): Promise<number> {
  try {
    return await dispatch(args, io)
  } catch (error) {
    if (error instanceof UsageError) io.complain(`${error.message}\n\n${HELP}`)
    else if (error instanceof ConfigError || error instanceof StartError || error instanceof MatrixError)
      io.complain(error.message)
    else throw error
    return error instanceof UsageError || error instanceof ConfigError ? 2 : 1
  }
}

async function dispatch(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args)
  const config = () => loadConfig(values.config ?? null, io.environment)
  const [command, name, other] = commandOf(positionals)
  switch (values.help === true ? 'help' : command) {
    case 'start':
      return start(config())
    case 'config check':
      return checkConfig(config(), io)
    case 'config example':
      io.print(exampleConfig().trimEnd())
      return 0
    case 'user add':
      if (name === undefined) throw new UsageError('hearth user add needs a name')
      return addUser(config(), io, {
        localpart: name,
        password: values.password ?? null,
        fromStdin: values['password-stdin'] === true,
        admin: values.admin === true,
      })
    case 'room make-admin':
      if (name === undefined || other === undefined)
        throw new UsageError('hearth room make-admin needs a room and a user')
      return makeRoomAdmin(config(), io, name, other)
    case 'federation check':
      if (name === undefined) throw new UsageError('hearth federation check needs the name of a server')
      return checkFederation(config(), io, { server: name, json: values.json === true })
    case 'version':
      io.print(VERSION)
      return 0
    case 'help':
      io.print(HELP)
      return 0
    default:
      throw new UsageError(`hearth knows no command '${positionals.join(' ')}'`)
  }
}

/** How many words follow the first one, the second word of a command included. */
const WORDS_MAX: Readonly<Record<string, number>> = { config: 1, user: 2, room: 3, federation: 2 }

/** The command in one or two words, and what it is about. */
function commandOf(positionals: readonly string[]): [command: string, ...about: (string | undefined)[]] {
  const [first = 'help', ...rest] = positionals
  const wordsMax = Object.hasOwn(WORDS_MAX, first) ? WORDS_MAX[first]! : 0
  if (rest.length > wordsMax) throw new UsageError(`Too many arguments: '${positionals.join(' ')}'`)
  const [second = '', ...about] = rest
  return wordsMax === 0 ? [first] : [`${first} ${second}`, ...about]
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}
