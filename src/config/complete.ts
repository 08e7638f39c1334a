/** Checks settings against the schema and fills in what they leave out. */
import type { TSchema } from 'typebox'
import { Check } from 'typebox/value'
import { nearest } from '#config/problems.ts'
import type { Annotations } from '#config/schema.ts'

type Path = readonly (string | number)[]
export type Report = (path: Path, message: string, atKey?: string) => void

type ObjectSchema = Annotations & {
  readonly properties: Record<string, TSchema>
  readonly required?: readonly string[]
}
type Shape = Annotations & {
  readonly type?: string
  readonly items?: TSchema
  readonly anyOf?: readonly TSchema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
}

/** The value with defaults filled in, at any depth. Wrong parts go to `report` and come back as they are. */
export function complete(schema: TSchema, value: unknown, report: Report, path: Path = []): unknown {
  const shape = schema as Shape
  if (shape.anyOf !== undefined) return completeUnion(shape.anyOf, value, report, path)
  if (shape.type === 'object' && 'properties' in shape)
    return completeObject(shape as ObjectSchema, value, report, path)
  if (
    shape.type === 'array' &&
    Array.isArray(value) &&
    shape.items !== undefined &&
    value.length >= (shape.minItems ?? 0)
  ) {
    return value.map((item, index) => complete(shape.items!, item, report, [...path, index]))
  }
  if (!Check(schema, value)) report(path, `must be ${expectation(schema)}`)
  return value
}

function completeUnion(branches: readonly TSchema[], value: unknown, report: Report, path: Path): unknown {
  const object = branches.find((branch) => (branch as Shape).type === 'object')
  if (object !== undefined && isTable(value)) return complete(object, value, report, path)
  if (!branches.some((branch) => Check(branch, value))) {
    report(path, `must be ${branches.map(expectation).join(', or ')}`)
  }
  return value
}

function completeObject(schema: ObjectSchema, value: unknown, report: Report, path: Path): unknown {
  if (!isTable(value)) {
    report(path, `must be ${expectation(schema)}`)
    return value
  }
  const known = Object.keys(schema.properties)
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue
    const meant = nearest(key, known)
    report([...path, key], meant === null ? 'is no setting' : `is no setting; did you mean ${meant}?`, key)
  }
  const filled: Record<string, unknown> = {}
  for (const key of known) {
    const property = schema.properties[key]! as Annotations
    // A key with nothing behind it (`smtp:`) is the same as no key.
    const given = Object.hasOwn(value, key) && value[key] !== null ? value[key] : property.default
    if (given !== undefined) filled[key] = complete(property, given, report, [...path, key])
    else if (schema.required?.includes(key)) report([...path, key], `is missing; it must be ${expectation(property)}`)
  }
  return filled
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What a value should have been, in words. */
export function expectation(schema: TSchema): string {
  const { type, expected, enum: values, const: constant, minimum, maximum } = schema as Shape
  if (expected !== undefined) return expected
  if (values !== undefined) return `one of ${values.join(', ')}`
  if (constant !== undefined) return String(constant)
  if (type === 'object') return 'a table of settings'
  if (type === 'array') return (schema as Shape).minItems === undefined ? 'a list' : 'a list with at least one entry'
  if (type === 'boolean') return 'true or false'
  if (type === 'string') return 'a text'
  const what = type === 'integer' ? 'a whole number' : 'a number'
  if (minimum !== undefined && maximum !== undefined) return `${what} from ${minimum} to ${maximum}`
  return `${what} above 0`
}
