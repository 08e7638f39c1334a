import { encodeBase64Url } from '#core/crypto.ts'
import { MatrixError, notFound, tooLarge } from '#core/matrix-error.ts'
import type { RandomBytes } from '#services/accounts/secrets.ts'

/** The largest payload, in bytes of UTF-8. */
export const PAYLOAD_BYTES_MAX = 4_096
/** "The maximum timeout SHOULD be 300 seconds for security." */
export const SESSION_LIFETIME_MS = 300_000
/** Sessions at the same time, of everybody together. */
const SESSIONS_MAX = 5_000
/** Writes of one session whose outcome is remembered; a sign-in takes about ten. */
const TRANSACTIONS_MAX = 32
const ID_BYTES = 18

/** A place where two devices leave messages for each other, as it is now. */
export type RendezvousSession = {
  readonly id: string
  readonly data: string
  /** Changes with each write. */
  readonly sequenceToken: string
  readonly modifiedTs: number
  readonly expiresTs: number
}

export type RendezvousWrite = {
  readonly data: string
  /** The token of what the writer has seen. */
  readonly sequenceToken: string
  /** Names the attempt, which then has one outcome however often it is made. */
  readonly txnId: string | null
}

/** Whether it was written, and the token and times of what is there now. */
export type RendezvousOutcome = { readonly written: boolean; readonly session: Omit<RendezvousSession, 'data'> }

type Session = {
  data: string
  sequence: number
  modifiedTs: number
  readonly expiresTs: number
  readonly outcomes: Map<string, RendezvousOutcome>
}

/**
 * Where a new device and one that is signed in meet, to sign the new one in by a QR code (MSC4108, MSC4388). All in
 * memory, little and short-lived: who has the id may read and write, and what is written is encrypted between the two.
 */
export class RendezvousSessions {
  readonly #clock: () => number
  readonly #randomBytes: RandomBytes
  /** Oldest first, and so in the order in which they expire. */
  readonly #sessions = new Map<string, Session>()

  constructor(deps: { readonly clock: () => number; readonly randomBytes: RandomBytes }) {
    this.#clock = deps.clock
    this.#randomBytes = deps.randomBytes
  }

  /** How many there are, of which some may have expired. */
  get size(): number {
    return this.#sessions.size
  }

  /** @throws MatrixError M_TOO_LARGE; M_LIMIT_EXCEEDED while there are too many sessions */
  create(data: string): RendezvousSession {
    assertFits(data)
    this.#forgetExpired()
    if (this.#sessions.size >= SESSIONS_MAX) throw tooMany('There are too many rendezvous sessions')
    const id = encodeBase64Url(this.#randomBytes(ID_BYTES))
    const now = this.#clock()
    const expiresTs = now + SESSION_LIFETIME_MS
    const session: Session = { data, sequence: 1, modifiedTs: now, expiresTs, outcomes: new Map() }
    this.#sessions.set(id, session)
    return { ...shown(id, session), data }
  }

  /** @throws MatrixError M_NOT_FOUND */
  get(id: string): RendezvousSession {
    const session = this.#find(id)
    return { ...shown(id, session), data: session.data }
  }

  /** Writes, unless somebody else has written since. @throws MatrixError M_NOT_FOUND, M_TOO_LARGE, M_LIMIT_EXCEEDED */
  put(id: string, { data, sequenceToken, txnId }: RendezvousWrite): RendezvousOutcome {
    assertFits(data)
    const session = this.#find(id)
    const known = txnId === null ? undefined : session.outcomes.get(txnId)
    if (known !== undefined) return known
    if (txnId !== null && session.outcomes.size >= TRANSACTIONS_MAX) throw tooMany('Too many writes to this session')
    const written = sequenceToken === String(session.sequence)
    if (written) {
      session.data = data
      session.sequence += 1
      session.modifiedTs = this.#clock()
    }
    const outcome = { written, session: shown(id, session) }
    if (txnId !== null) session.outcomes.set(txnId, outcome)
    return outcome
  }

  /** @throws MatrixError M_NOT_FOUND */
  delete(id: string): void {
    this.#find(id)
    this.#sessions.delete(id)
  }

  #find(id: string): Session {
    const session = this.#sessions.get(id)
    if (session === undefined || session.expiresTs <= this.#clock()) throw notFound('There is no such session')
    return session
  }

  #forgetExpired(): void {
    const now = this.#clock()
    for (const [id, { expiresTs }] of this.#sessions) {
      if (expiresTs > now) return
      this.#sessions.delete(id)
    }
  }
}

function shown(id: string, { sequence, modifiedTs, expiresTs }: Session): Omit<RendezvousSession, 'data'> {
  return { id, sequenceToken: String(sequence), modifiedTs, expiresTs }
}

function assertFits(data: string): void {
  if (Buffer.byteLength(data) > PAYLOAD_BYTES_MAX) throw tooLarge(`A payload has at most ${PAYLOAD_BYTES_MAX} bytes`)
}

function tooMany(message: string): MatrixError {
  return new MatrixError('M_LIMIT_EXCEEDED', message, { extra: { retry_after_ms: SESSION_LIFETIME_MS } })
}
