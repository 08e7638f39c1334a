/** The specification's operations as data, and whether answers fit them. */
import { existsSync, readFileSync } from 'node:fs'
import type { AnySchema, ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'

const FILE = new URL('../../../../shared/spec/operations.json', import.meta.url)

export type Operation = {
  readonly id: string
  readonly api: string
  readonly method: string
  readonly path: string
  readonly request: object | null
  readonly query: readonly { readonly name: string; readonly required: boolean }[]
  readonly responses: Readonly<Record<string, AnySchema | null>>
}
type SpecFile = { readonly $defs: object; readonly operations: readonly Operation[] }

/** null where the data isn't at hand, as in a copy of the project alone. */
const spec = existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as SpecFile) : null

export const hasSpec = spec !== null
export const operations: readonly Operation[] = (spec?.operations ?? [])
  .filter(({ api }) => api === 'client-server')
  .map((operation) => ({ ...operation, path: operation.path.trim() }))

const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true })
if (spec !== null) ajv.addSchema({ $id: 'spec', $defs: spec.$defs })
const ERROR: AnySchema = {
  type: 'object',
  properties: { errcode: { type: 'string', pattern: '^M_[A-Z0-9_]+$|^[a-z0-9.]+' }, error: { type: 'string' } },
  required: ['errcode', 'error'],
}
/** Operations that answer `{}` where they have nothing to tell, which the specification has no answer for. */
const EMPTY_ON_PURPOSE: ReadonlySet<string> = new Set(['getTurnServer'])
/** Members that are null on purpose where there is nothing to tell, and that the specification would leave out. */
const NULL_ON_PURPOSE: ReadonlyMap<string, readonly string[]> = new Map([
  ['getJoinedMembersByRoom', ['display_name', 'avatar_url']],
])
const compiled = new Map<string, ValidateFunction>()

/** What is wrong with an answer, or null. An error that the operation doesn't list must be a standard error. */
export function misfit(operation: Operation, status: number, body: unknown): string | null {
  if (EMPTY_ON_PURPOSE.has(operation.id) && status === 200 && JSON.stringify(body) === '{}') return null
  const schema = operation.responses[status]
  if (status < 400 && schema === undefined) return `the specification has no answer ${status}`
  // A 401 of interactive authentication has the flows, any other the errcode.
  const interactive = status === 401 && typeof body === 'object' && body !== null && Object.hasOwn(body, 'flows')
  const chosen = status >= 400 && !interactive ? ERROR : schema
  if (chosen === null || chosen === undefined) return null
  const key = chosen === ERROR ? 'error' : `${operation.id} ${operation.path} ${status}`
  const check = compiled.get(key) ?? compile(chosen)
  compiled.set(key, check)
  return check(withoutNulls(body, NULL_ON_PURPOSE.get(operation.id) ?? []))
    ? null
    : ajv.errorsText(check.errors, { dataVar: 'answer' })
}

function withoutNulls(body: unknown, names: readonly string[]): unknown {
  if (names.length === 0) return body
  return JSON.parse(JSON.stringify(body, (key, value) => (names.includes(key) && value === null ? undefined : value)))
}

/** The alternatives of the specification overlap (a whole event is an object too), so one that fits is enough. */
function compile(schema: AnySchema): ValidateFunction {
  const text = JSON.stringify(schema).replaceAll('"#/$defs/', '"spec#/$defs/').replaceAll('"oneOf":', '"anyOf":')
  return ajv.compile(JSON.parse(text) as AnySchema)
}

type Route = { readonly operation: Operation; readonly pattern: RegExp; readonly parameters: number }
const routes: Route[] = operations
  .map((operation) => ({
    operation,
    pattern: new RegExp(
      `^${operation.path
        .replaceAll('.', '\\.')
        .replace(/\/$/, '/?')
        .replaceAll(/\{\w+\}/g, '[^/]*')}$`,
    ),
    parameters: operation.path.split('{').length,
  }))
  .sort((a, b) => a.parameters - b.parameters)

/** The operation that a request asks for; null for what the specification hasn't. */
export function operationOf(method: string, url: string, body: unknown = null): Operation | null {
  const { pathname, searchParams } = new URL(url, 'http://any')
  const path = pathname
    .replace('/_matrix/client/r0/', '/_matrix/client/v3/')
    // The state key may be left out, with or without the slash.
    .replace(/(\/rooms\/[^/]+\/state\/[^/]+)$/, '$1/')
  const found = routes.filter((route) => route.operation.method === method && route.pattern.test(path))
  // Two paths carry two operations each, told apart by what is asked.
  const isPeek = searchParams.has('room_id')
  const isThirdParty = typeof body === 'object' && body !== null && Object.hasOwn(body, 'medium')
  const other = found.find(
    ({ operation: { id } }) => (id === 'peekEvents' && isPeek) || (id === 'inviteBy3PID' && isThirdParty),
  )
  return (other ?? found[0])?.operation ?? null
}
