import type { ServerName } from '#core/ids.ts'
import { MatrixError } from '#core/matrix-error.ts'
import { HandshakeFailures } from '#services/federation/membership/handshake-failures.ts'
import { MalformedAnswerError } from '#services/federation/membership/own-member-event.ts'

/** Servers that are asked for one user's request, one after another. */
export const CANDIDATES_MAX = 10
/** After that no further server is asked. */
const TRYING_MS_MAX = 45_000

type Whom = {
  /** Best first; repeated ones are asked once. */
  readonly servers: readonly ServerName[]
  /** This server, which is not asked. */
  readonly own: string
  readonly clock: () => number
}

/**
 * Asks servers in turn until one does what is wanted. `ask` gives null where its server didn't, having added why; what
 * it throws as MalformedAnswerError or MatrixError is that server's failure too.
 *
 * @throws MatrixError of the most telling failure
 */
export async function withServerFailover<T>(
  { servers, own, clock }: Whom,
  ask: (server: ServerName, failures: HandshakeFailures) => Promise<{ readonly value: T } | null>,
): Promise<T> {
  const failures = new HandshakeFailures()
  const untilTs = clock() + TRYING_MS_MAX
  for (const server of [...new Set(servers)].filter((server) => server !== own).slice(0, CANDIDATES_MAX)) {
    if (clock() > untilTs) break
    try {
      const done = await ask(server, failures)
      if (done !== null) return done.value
    } catch (error) {
      if (!(error instanceof MalformedAnswerError || error instanceof MatrixError)) throw error
      failures.addError(server, error)
    }
  }
  throw failures.error
}
