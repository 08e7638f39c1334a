/** Turns the parts of a request into an endpoint's checked input, or throws the specification's error. */
import { type TProperties, type TSchema, Type } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { CLIENT_DEPTH_MAX } from '#core/json/parse.ts'
import { JSON_KEYS_MAX, JSON_VALUES_PER_MIB_MAX, parseLongJson } from '#core/json/parse-long.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { badJson, invalidParam, MatrixError, missingParam } from '#core/matrix-error.ts'
import { absentWhereNull } from '#kit/absent-members.ts'
import { BODY_BYTES_MAX, type Endpoint } from '#kit/endpoint.ts'
import { parseQueryString, type RawQuery, readFields } from '#kit/query-string.ts'
import { TimeSlice } from '#services/time/time-slice.ts'

export type InputReader = {
  params(raw: Readonly<Record<string, string | undefined>>): unknown
  query(raw: RawQuery): unknown
  /** In parts that yield, where it is long. */
  body(bytes: Uint8Array): Promise<unknown>
  /** `body` for what is parsed already; undefined where no bytes came. */
  parsedBody(value: JsonValue | undefined): unknown
}

const notJson = (message: string) => new MatrixError('M_NOT_JSON', message)

/** Compiles an endpoint's schemas, once at start. */
export function inputReader(endpoint: Endpoint): InputReader {
  const params = fieldsReader(endpoint.params)
  const query = fieldsReader(endpoint.query)
  return {
    params: (raw) => params(raw),
    query: (raw) => query(readFields(raw, endpoint.query)),
    ...(endpoint.body === null ? NO_BODY : bodyReader(endpoint, endpoint.body)),
  }
}

function fieldsReader(fields: TProperties): (values: object) => unknown {
  if (Object.keys(fields).length === 0) return () => ({})
  const validator = Compile(Type.Object(fields))
  return (values) => {
    if (!validator.Check(values)) throw paramError(validator, values)
    return values
  }
}

const NO_BODY: BodyReader = { body: async () => undefined, parsedBody: () => undefined }

type BodyReader = Pick<InputReader, 'body' | 'parsedBody'>

function bodyReader(endpoint: Endpoint, schema: TSchema): BodyReader {
  const validator = Compile(schema)
  if (endpoint.bodyFormat === 'text') return { body: async (bytes) => textOf(bytes), parsedBody: (value) => value }
  const parse = bodyParser(endpoint, schema)
  // A PUT replaces something: there an empty body is a mistake, never "no options".
  const emptyIsObject = (endpoint.method === 'POST' || endpoint.method === 'DELETE') && validator.Check({})
  // What servers send is taken as it came.
  const given = endpoint.auth === 'server' ? (value: JsonValue) => value : absentWhereNull(schema)
  const parsedBody = (parsed: JsonValue | undefined) => {
    if (parsed === undefined && !emptyIsObject) throw notJson('The request has no body')
    const value = parsed === undefined ? {} : given(parsed)
    if (!validator.Check(value)) throw bodyError(validator, value)
    return value
  }
  return { body: async (bytes) => parsedBody(bytes.length === 0 ? undefined : await parse(bytes)), parsedBody }
}

/** @throws MatrixError M_INVALID_PARAM for what isn't UTF-8 */
function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw invalidParam('The body must be text in UTF-8')
  }
}

function bodyParser(endpoint: Endpoint, schema: TSchema): (bytes: Uint8Array) => Promise<JsonValue> {
  if (endpoint.bodyFormat === 'form') {
    const fields = (schema as { properties?: TProperties }).properties ?? {}
    return async (bytes) => readFields(parseQueryString(Buffer.from(bytes).toString('latin1')), fields) as JsonObject
  }
  const options = {
    depthMax: CLIENT_DEPTH_MAX,
    lossless: endpoint.numbers === 'lossless',
    valuesMax: Math.ceil((endpoint.bodyBytesMax / BODY_BYTES_MAX) * JSON_VALUES_PER_MIB_MAX),
    keysMax: JSON_KEYS_MAX,
    stringBytesMax: BODY_BYTES_MAX,
  }
  return (bytes) => TimeSlice.run(parseLongJson(bytes, options))
}

type Problem = { keyword: string; instancePath: string; message: string; params: object }

/** The first thing that is wrong; where nothing is wrong but something absent, that. */
function firstProblem(validator: Validator, value: unknown): { missing: string | null; text: string } {
  const problems: readonly Problem[] = validator.Errors(value)
  const problem = problems.find((found) => found.keyword !== 'required') ?? problems[0]
  if (problem === undefined) return { missing: null, text: 'is not as the schema asks' }
  const names = (problem.params as { requiredProperties?: readonly string[] }).requiredProperties
  const place = problem.instancePath.slice(1).replaceAll('/', '.')
  if (problem.keyword === 'required' && names?.[0] !== undefined) {
    return { missing: place === '' ? names[0] : `${place}.${names[0]}`, text: problem.message }
  }
  return { missing: null, text: `${place === '' ? 'The body' : `'${place}'`} ${problem.message}` }
}

function bodyError(validator: Validator, value: unknown): MatrixError {
  const { missing, text } = firstProblem(validator, value)
  return missing === null ? badJson(text) : missingParam(`'${missing}' is missing`)
}

function paramError(validator: Validator, value: unknown): MatrixError {
  const { missing, text } = firstProblem(validator, value)
  return missing === null ? invalidParam(text) : missingParam(`'${missing}' is missing`)
}
