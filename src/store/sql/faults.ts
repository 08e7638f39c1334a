import { UnavailableError, type UnavailableReason } from '#core/unavailable-error.ts'
import { isConnectionLost } from '#store/sql/postgres/errors.ts'
import type { StoreLog } from '#store/store.ts'

/** By SQLite's primary result codes. */
const SQLITE_REASONS: ReadonlyMap<number, UnavailableReason> = new Map<number, UnavailableReason>([
  [5, 'busy'],
  [6, 'busy'],
  [8, 'read-only'],
  [10, 'disk error'],
  [11, 'damaged'],
  [13, 'disk full'],
  [14, 'disk error'],
  [26, 'damaged'],
])

/** By SQLSTATEs of PostgreSQL and codes of Node. */
const POSTGRES_REASONS: readonly (readonly [code: RegExp, UnavailableReason])[] = [
  [/^53100$/, 'disk full'],
  [/^(53...|55P03)$/, 'busy'],
  [/^25006$/, 'read-only'],
  [/^XX00[12]$/, 'damaged'],
  [/^58...$/, 'disk error'],
  [/^(28...|3D000|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ECONNABORTED)$/, 'unreachable'],
]

/** The error as what it is where something outside of the program failed; null for a defect. */
export function faultOf(error: unknown): UnavailableError | null {
  if (error instanceof UnavailableError) return error
  if (!(error instanceof Error)) return null
  const reason = reasonOf(error)
  return reason === undefined ? null : new UnavailableError(reason, { cause: error })
}

function reasonOf(error: Error): UnavailableReason | undefined {
  // The low byte of an extended code is the primary one.
  if ('errcode' in error && typeof error.errcode === 'number') return SQLITE_REASONS.get(error.errcode & 0xff)
  // pg has no code for the time that making a connection took.
  if (isConnectionLost(error) || error.message === 'timeout expired') return 'unreachable'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return POSTGRES_REASONS.find(([pattern]) => pattern.test(code))?.[1]
}

/** What keeps the database from its work at this moment. Tells the operator when that begins and ends, once each. */
export class Faults {
  readonly #log: StoreLog
  #reading: UnavailableError | null = null
  #writing: UnavailableError | null = null

  constructor(log: StoreLog) {
    this.#log = log
  }

  get current(): UnavailableError | null {
    return this.#writing ?? this.#reading
  }

  /** How a read or a write ended. Returns the error to throw: one of these where it is none of the program's. */
  failed(what: 'read' | 'write', error: unknown): unknown {
    const fault = faultOf(error)
    if (fault === null || fault.reason === 'closed') return error
    const before = this.current
    if (what === 'read') this.#reading = fault
    else this.#writing = fault
    if (before?.reason !== fault.reason) {
      this.#log.error(
        { cause: causeOf(fault) },
        `${fault.message}: requests are answered with 503 or 507 until it is mended`,
      )
    }
    return fault
  }

  succeeded(what: 'read' | 'write'): void {
    // While a disk is full it can still be read.
    if (this.#reading === null && (what === 'read' || this.#writing === null)) return
    this.#reading = null
    if (what === 'write') this.#writing = null
    if (this.current === null) this.#log.info({}, 'The database is usable again')
  }
}

function causeOf({ cause }: UnavailableError): string {
  return cause instanceof Error ? cause.message : String(cause)
}
