/** Holds answers against the schemas of the specification's own data, where that file is at hand. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { ROOT } from '#test/harness/source-file.ts'

type Operation = {
  readonly api: string
  readonly id: string
  readonly responses: Readonly<Record<string, object | null>>
}
type Data = { readonly $defs: object; readonly operations: readonly Operation[] }

const FILE = join(ROOT, '..', 'shared', 'spec', 'operations.json')

const data = existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Data) : null
// Some ids exist in two APIs; the client's stand first in the data, and count where the API isn't named.
const operations = new Map(
  data?.operations.toReversed().flatMap((operation) => [
    [operation.id, operation],
    [`${operation.api} ${operation.id}`, operation],
  ]),
)
// The specification's formats (mx-user-id …) are not JSON Schema's; its examples and extensions mean nothing here.
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true })
const validators = new Map<string, ValidateFunction>()
let saidSo = false

/**
 * `operationId` may name its API before it: `server-server getPublicRooms`. Fails unless the specification lists this status for the operation and the body fits the schema given for it.
 * Statuses that any operation may answer with (400, 401, 403, 404, 413, 429) need not be listed, but then must be a
 * standard error. Where the data isn't at hand, nothing is checked, and the run says so once.
 */
export function assertMatchesSpec(operationId: string, status: number, body: unknown): void {
  if (data === null) {
    if (!saidSo) console.warn(`NOT CHECKED against the specification: ${FILE} is absent`)
    saidSo = true
    return
  }
  const operation = operations.get(operationId)
  assert.ok(operation !== undefined, `the specification has no operation ${operationId}`)
  const schema = operation.responses[String(status)]
  if (schema === undefined) {
    assert.ok(status >= 400, `${operationId} may not answer ${status}`)
    assert.equal(typeof (body as { errcode?: unknown }).errcode, 'string', `${operationId} answered ${status}`)
    return
  }
  if (schema === null) return
  const validate = validatorOf(`${operationId} ${status}`, schema, data.$defs)
  assert.ok(validate(body), `${operationId} ${status}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(body)}`)
}

function validatorOf(name: string, schema: object, $defs: object): ValidateFunction {
  const known = validators.get(name)
  if (known !== undefined) return known
  const made = ajv.compile({ ...schema, $defs })
  validators.set(name, made)
  return made
}
