import { UnstorableTextError } from '#store/errors.ts'

export type DialectName = 'sqlite' | 'postgres'

/** What a statement takes as a parameter. A boolean becomes 1 or 0: columns of truth values are integers. */
export type SqlValue = string | number | bigint | boolean | null | Uint8Array

/**
 * One row. On SQLite it has no prototype: make a value of the domain from it, don't hand it out. Integers are numbers
 * (one outside the safe range throws), bytes are Uint8Array.
 */
export type Row = Record<string, unknown>

export type Result = {
  readonly rows: Row[]
  /** How many rows the statement changed. */
  readonly changes: number
}

/** One physical connection. Statements run in the order of the calls. */
export interface Connection {
  readonly dialect: DialectName
  /**
   * Runs one statement with positional parameters, written as the dialect has them.
   * @param reuse keep the statement compiled, as long as the connection lives: for a fixed number of texts
   */
  execute(text: string, parameters: readonly unknown[], reuse: boolean): Promise<Result>
  /** Begins a transaction that may change something. On SQLite waits until it is the only one. */
  beginWrite(): Promise<void>
}

const QUERY_WORDS = /^\s*(select|values)\b/i

/** True for a statement that surely changes nothing. */
export function isPlainQuery(text: string): boolean {
  return QUERY_WORDS.test(text)
}

/** Whether both databases can hold a text. */
export function isStorableText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}

/**
 * Checks a parameter and gives it the one form that both databases store alike. Whole numbers become bigints, since
 * node:sqlite binds every number as a floating-point value.
 * @throws UnstorableTextError, or TypeError for what is a programming mistake (undefined, a Date, an array, NaN, an
 * integer past 2^53)
 */
export function parameterValue(value: unknown): string | number | bigint | null | Uint8Array {
  switch (typeof value) {
    case 'string':
      if (!isStorableText(value)) throw new UnstorableTextError()
      return value
    case 'number':
      if (Number.isSafeInteger(value)) return BigInt(value)
      if (Number.isFinite(value) && !Number.isInteger(value)) return value
      break
    case 'bigint':
      if (BigInt.asIntN(64, value) === value) return value
      break
    case 'boolean':
      return value ? 1n : 0n
    case 'object':
      if (value === null || value instanceof Uint8Array) return value
      break
  }
  throw new TypeError(`A statement can't take this parameter: ${typeof value} ${String(value).slice(0, 40)}`)
}

/** A list as `Sql.integers` takes it. */
export function integerList(integers: Iterable<number>): string {
  return JSON.stringify([...integers])
}

/**
 * A list as `Sql.texts` takes it.
 * @throws UnstorableTextError: PostgreSQL's JSON functions fail on the escape of U+0000
 */
export function textList(texts: Iterable<string>): string {
  const list = [...texts]
  for (const text of list) parameterValue(text)
  return JSON.stringify(list)
}
