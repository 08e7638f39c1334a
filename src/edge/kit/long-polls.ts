import { unknownToken } from '#core/matrix-error.ts'
import type { Caller } from '#services/accounts/caller.ts'
import { isRevoked, type Sessions } from '#services/accounts/sessions.ts'

/** Ends long polls whose access token becomes void while they wait: "the client is logged out" from that moment on. */
export class LongPolls {
  readonly #waiting = new Map<AbortController, Caller>()

  constructor(sessions: Pick<Sessions, 'onRevoked'>) {
    sessions.onRevoked((revocation) => {
      for (const [controller, caller] of this.#waiting) if (isRevoked(caller, revocation)) controller.abort()
    })
  }

  /**
   * Runs a handler that may wait, with a signal that also aborts on revocation.
   * @throws MatrixError M_UNKNOWN_TOKEN when that happens
   */
  async run<T>(caller: Caller, signal: AbortSignal, handle: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const revoked = new AbortController()
    this.#waiting.set(revoked, caller)
    try {
      const answer = await handle(AbortSignal.any([signal, revoked.signal]))
      if (revoked.signal.aborted) throw unknownToken('The session has ended')
      return answer
    } finally {
      this.#waiting.delete(revoked)
    }
  }
}
