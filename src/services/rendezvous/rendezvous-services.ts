import type { Part } from '#services/parts/part.ts'
import { RendezvousSessions } from '#services/rendezvous/rendezvous-sessions.ts'

type Deps = ConstructorParameters<typeof RendezvousSessions>[0] & Part

/** Where devices meet that sign in by each other. */
export function rendezvousSessions(deps: Deps): RendezvousSessions {
  const sessions = new RendezvousSessions(deps)
  deps.metrics.gauge('hearth_rendezvous_sessions', 'Places where two devices meet', () => sessions.size)
  return sessions
}
