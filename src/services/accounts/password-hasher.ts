import { argon2 } from 'node:crypto'
import { constantTimeEqual, decodeBase64, encodeBase64 } from '#core/crypto.ts'
import type { RandomBytes } from '#services/accounts/secrets.ts'
import { limitExceeded } from '#services/rate-limits/rate-limiter.ts'

/** What a hash costs. */
export type PasswordCost = { readonly memoryKib: number; readonly passes: number }

/** Hashes under way at once. More would take the thread pool from the file system and name lookups. */
export const HASHES_IN_FLIGHT_MAX = 2
/** Hashes that wait for their turn; one more is refused. */
export const HASHES_QUEUED_MAX = 32
/** What a client is told to wait when the queue is full, in milliseconds. */
const QUEUE_FULL_RETRY_MS = 2_000

const SALT_BYTES = 16
const TAG_BYTES = 32
const PARALLELISM = 1
/** Hashes made elsewhere may have other parameters, but not such as to stop the server. */
const MEMORY_KIB_MAX = 1_048_576
const PASSES_MAX = 64

type Parsed = {
  readonly cost: PasswordCost
  readonly parallelism: number
  readonly salt: Uint8Array
  readonly tag: Uint8Array
}

/**
 * Hashes passwords with argon2id into PHC strings, off the main thread and a few at a time. Passwords are normalised
 * (NFKC) first, so that they match however a keyboard composes their letters.
 */
export class PasswordHasher {
  readonly #cost: PasswordCost
  readonly #randomBytes: RandomBytes
  readonly #waiting: (() => void)[] = []
  #inFlight = 0
  /** Checked in place of the hash of a user who doesn't exist, so that both take the same time. */
  #dummy: Promise<string> | null = null

  constructor(deps: { cost: PasswordCost; randomBytes: RandomBytes }) {
    this.#cost = deps.cost
    this.#randomBytes = deps.randomBytes
  }

  /** @throws MatrixError M_LIMIT_EXCEEDED when too many wait */
  async hash(password: string): Promise<string> {
    const salt = this.#randomBytes(SALT_BYTES)
    const tag = await this.#derive(password, { cost: this.#cost, parallelism: PARALLELISM, salt, tag: EMPTY_TAG })
    return `$argon2id$v=19$${costText(this.#cost)}$${encodeBase64(salt)}$${encodeBase64(tag)}`
  }

  /**
   * Whether the password opens this hash; null stands for an account without one, and takes as long to say no.
   * @throws MatrixError M_LIMIT_EXCEEDED when too many wait
   */
  async verify(password: string, stored: string | null): Promise<boolean> {
    const parsed = stored === null ? null : parse(stored)
    const against = parsed ?? parse(await this.#dummyHash())
    if (against === null) return false
    const tag = await this.#derive(password, against)
    return constantTimeEqual(tag, against.tag) && parsed !== null
  }

  /** Whether a hash was made with other parameters than those of today. */
  isOutdated(stored: string): boolean {
    return !stored.startsWith(`$argon2id$v=19$${costText(this.#cost)}$`)
  }

  #dummyHash(): Promise<string> {
    this.#dummy ??= this.hash(encodeBase64(this.#randomBytes(SALT_BYTES))).catch((error: unknown) => {
      this.#dummy = null
      throw error
    })
    return this.#dummy
  }

  async #derive(password: string, { cost, parallelism, salt, tag }: Parsed): Promise<Uint8Array> {
    const parameters = {
      message: password.normalize('NFKC'),
      nonce: salt,
      memory: cost.memoryKib,
      passes: cost.passes,
      parallelism,
      tagLength: tag.length,
    }
    await this.#enter()
    try {
      return await new Promise((resolve, reject) => {
        argon2('argon2id', parameters, (error, derived) => (error === null ? resolve(derived) : reject(error)))
      })
    } finally {
      this.#leave()
    }
  }

  async #enter(): Promise<void> {
    if (this.#inFlight < HASHES_IN_FLIGHT_MAX) {
      this.#inFlight += 1
      return
    }
    if (this.#waiting.length >= HASHES_QUEUED_MAX) throw limitExceeded(QUEUE_FULL_RETRY_MS)
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** The place goes to the next in the queue, if there is one. */
  #leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#inFlight -= 1
    else next()
  }
}

const EMPTY_TAG = new Uint8Array(TAG_BYTES)

function costText({ memoryKib, passes }: PasswordCost): string {
  return `m=${memoryKib},t=${passes},p=${PARALLELISM}`
}

/** Null for what isn't an argon2id PHC string that we would compute. */
function parse(stored: string): Parsed | null {
  const match = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(
    stored,
  )
  if (match === null) return null
  const [memoryKib, passes, parallelism] = [Number(match[1]), Number(match[2]), Number(match[3])]
  const salt = decodeBase64(match[4] ?? '')
  const tag = decodeBase64(match[5] ?? '')
  if (salt === null || tag === null || salt.length < 8 || tag.length < 16) return null
  if (parallelism < 1 || passes < 1 || passes > PASSES_MAX) return null
  if (memoryKib < 8 * parallelism || memoryKib > MEMORY_KIB_MAX) return null
  return { cost: { memoryKib, passes }, parallelism, salt, tag }
}
