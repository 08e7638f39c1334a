import { createHmac } from 'node:crypto'
import { encodeBase64 } from '#core/crypto.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { badJson } from '#core/matrix-error.ts'
import type { Caller } from '#services/accounts/caller.ts'
import { hashSecret, newSecret, type RandomBytes } from '#services/accounts/secrets.ts'
import { type Consent, ConsentSpentError } from '#services/accounts/uia/consent.ts'
import { UIA_FLOWS, type UiaFlow, type UiaOperation } from '#services/accounts/uia/flows.ts'
import type { UiaStage } from '#services/accounts/uia/stage.ts'
import type { Store } from '#store/store.ts'
import type { UiaSessionRow } from '#store/types/uia-sessions.ts'

/** How long a session may take, from its first request. */
export const UIA_SESSION_LIFETIME_MS = 1_800_000
const SESSION_ID_LENGTH_MAX = 255

export type UiaRequest = {
  readonly operation: UiaOperation
  /** null for a request without an access token. */
  readonly caller: Caller | null
  /** The request's body with its `auth`. */
  readonly body: JsonObject
  /** What else the request names, such as the device in its path. */
  readonly target?: string
}

type Refusal = { readonly allowed: false; readonly challenge: JsonObject }
/** Either the operation was allowed and done; or the body of the 401 that asks for more. */
export type UiaResult<T> = { readonly allowed: true; readonly value: T } | Refusal

type Verdict = { readonly allowed: true; readonly consent: Consent } | Refusal

type Failure = { readonly errcode: string; readonly error: string }
/** `isNew`: it isn't stored yet. */
type OpenSession = { readonly id: string; readonly row: UiaSessionRow; readonly isNew: boolean }

const UNKNOWN_SESSION: Failure = {
  errcode: 'M_FORBIDDEN',
  error: 'This authentication session is unknown or has ended',
}

/**
 * User-interactive authentication. A session allows one operation of one user; from the first completed stage on also
 * only the very request that completed it, so that nobody slips another one under a consent that was given. The write
 * of the operation ends the session; one whose operation failed stays good for another try.
 * Of session ids only a digest is stored, and of requests only a fingerprint keyed by the session id.
 */
export class Uia {
  readonly #store: Store
  readonly #clock: () => number
  readonly #randomBytes: RandomBytes
  readonly #stages: ReadonlyMap<string, UiaStage>

  constructor(deps: { store: Store; clock: () => number; randomBytes: RandomBytes; stages: readonly UiaStage[] }) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#randomBytes = deps.randomBytes
    this.#stages = new Map(deps.stages.map((stage) => [stage.type, stage]))
  }

  /**
   * Judges a request for an operation, and lets it go ahead once the user has authenticated.
   *
   * @param operate the operation, which spends the consent in its own write
   * @throws MatrixError for an `auth` that makes no sense, and what stages and `operate` throw
   */
  async perform<T>(request: UiaRequest, operate: (consent: Consent) => Promise<T>): Promise<UiaResult<T>> {
    const verdict = await this.#authorize(request)
    if (!verdict.allowed) return verdict
    try {
      return { allowed: true, value: await operate(verdict.consent) }
    } catch (error) {
      if (!(error instanceof ConsentSpentError)) throw error
      return this.#startAnew(request)
    }
  }

  async #authorize(request: UiaRequest): Promise<Verdict> {
    const auth = authOf(request.body)
    if (auth === null) return this.#challenge(request, await this.#open(request), null)
    const session = await this.#find(request, auth)
    if (session !== null) return this.#attempt(request, session, auth)
    if (member(auth, 'session') !== undefined) return this.#startAnew(request)
    // A client that knows the flow may try its first stage right away, which saves a round.
    const isAttempt = member(auth, 'type') !== undefined
    return isAttempt
      ? this.#attempt(request, this.#newSession(request), auth)
      : this.#challenge(request, await this.#open(request), null)
  }

  async #attempt(request: UiaRequest, session: OpenSession, auth: JsonObject): Promise<Verdict> {
    const type = member(auth, 'type')
    const flows: readonly UiaFlow[] = UIA_FLOWS[request.operation]
    const done = session.row.completed.map(({ stage }) => stage)
    if (type === undefined || (typeof type === 'string' && done.includes(type))) return this.#judge(request, session)
    if (typeof type !== 'string') throw badJson("'auth.type' must be a string")
    const stage = this.#stages.get(type)
    if (stage === undefined || !flows.some((flow) => startsWith(flow, [...done, type]))) {
      return this.#refuse(request, session, { errcode: 'M_FORBIDDEN', error: 'That is not the next stage of a flow' })
    }
    const outcome = await stage.attempt(auth, { caller: request.caller })
    if (!outcome.completed) return this.#refuse(request, session, outcome)
    const row: UiaSessionRow = {
      ...session.row,
      fingerprint: fingerprint(session.id, request),
      completed: [...session.row.completed, { stage: type, found: outcome.found }],
    }
    const isKept = await this.#store.write(async (tx) => {
      if (!session.isNew) return tx.uiaSessions.advance(session.row, row)
      await tx.uiaSessions.add(row)
      return true
    })
    // Another request completed the stage, or ended the session, while this one was at it.
    if (!isKept) return this.#startAnew(request)
    return this.#judge(request, { id: session.id, row, isNew: false })
  }

  /** The session, new or not, is good for another attempt. */
  async #refuse(request: UiaRequest, session: OpenSession, failure: Failure): Promise<Refusal> {
    if (session.isNew) await this.#store.write((tx) => tx.uiaSessions.add(session.row))
    return this.#challenge(request, session, failure)
  }

  async #startAnew(request: UiaRequest): Promise<Refusal> {
    return this.#challenge(request, await this.#open(request), UNKNOWN_SESSION)
  }

  #judge(request: UiaRequest, session: OpenSession): Verdict {
    const { completed } = session.row
    const done = completed.map(({ stage }) => stage)
    const flows: readonly UiaFlow[] = UIA_FLOWS[request.operation]
    if (!flows.some((flow) => flow.length === done.length && startsWith(flow, done))) {
      return this.#challenge(request, session, null)
    }
    const consent: Consent = {
      found: new Map(completed.map(({ stage, found }) => [stage, found])),
      async spend(tx) {
        if (!(await tx.uiaSessions.spend(session.row))) throw new ConsentSpentError('The session was used already')
      },
    }
    return { allowed: true, consent }
  }

  #challenge(request: UiaRequest, session: OpenSession, failure: Failure | null): Refusal {
    const flows: readonly UiaFlow[] = UIA_FLOWS[request.operation]
    const types = new Set(flows.flat())
    const params = [...types].flatMap((type): [string, JsonObject][] => {
      const shown = this.#stages.get(type)?.params() ?? null
      return shown === null ? [] : [[type, shown]]
    })
    const challenge: JsonObject = {
      ...(failure !== null && { errcode: failure.errcode, error: failure.error }),
      completed: session.row.completed.map(({ stage }) => stage),
      flows: flows.map((stages) => ({ stages })),
      params: Object.fromEntries(params),
      session: session.id,
    }
    return { allowed: false, challenge }
  }

  #newSession(request: UiaRequest): OpenSession {
    const id = newSecret('uia', this.#randomBytes)
    const row: UiaSessionRow = {
      idHash: hashSecret(id),
      operation: request.operation,
      userNid: request.caller?.userNid ?? null,
      fingerprint: null,
      completed: [],
      expiresTs: this.#clock() + UIA_SESSION_LIFETIME_MS,
    }
    return { id, row, isNew: true }
  }

  async #open(request: UiaRequest): Promise<OpenSession> {
    const session = this.#newSession(request)
    await this.#store.write(async (tx) => {
      await tx.uiaSessions.deleteExpired(this.#clock())
      await tx.uiaSessions.add(session.row)
    })
    return session
  }

  /** The session that `auth` names, if it is for this request. */
  async #find(request: UiaRequest, auth: JsonObject): Promise<OpenSession | null> {
    const id = member(auth, 'session')
    if (id === undefined) return null
    if (typeof id !== 'string') throw badJson("'auth.session' must be a string")
    if (id.length > SESSION_ID_LENGTH_MAX) return null
    const row = await this.#store.read((tx) => tx.uiaSessions.get(hashSecret(id)))
    if (row === null || row.expiresTs <= this.#clock()) return null
    if (row.operation !== request.operation || row.userNid !== (request.caller?.userNid ?? null)) return null
    if (row.fingerprint !== null && row.fingerprint !== fingerprint(id, request)) return null
    return { id, row, isNew: false }
  }
}

function authOf(body: JsonObject): JsonObject | null {
  const auth: JsonValue | undefined = member(body, 'auth')
  if (auth === undefined || auth === null) return null
  if (!isJsonObject(auth)) throw badJson("'auth' must be an object")
  return auth
}

function startsWith(flow: UiaFlow, stages: readonly string[]): boolean {
  return stages.length <= flow.length && stages.every((stage, index) => flow[index] === stage)
}

/** Tells requests apart. The key is the session id, which isn't stored: a password in the body can't be guessed from it. */
function fingerprint(sessionId: string, { body, target }: UiaRequest): string {
  const members = Object.entries(body)
    .filter(([key]) => key !== 'auth')
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return encodeBase64(
    createHmac('sha256', sessionId)
      .update(JSON.stringify([target ?? null, members]))
      .digest(),
  )
}
