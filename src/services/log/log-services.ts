import { LogFollowers } from '#services/log/log-followers.ts'
import type { Part } from '#services/parts/part.ts'

type Deps = ConstructorParameters<typeof LogFollowers>[0] & Part

/** Where followers of the log are registered. */
export function logFollowers(deps: Deps): LogFollowers {
  const { store, metrics, onStop } = deps
  const followers = new LogFollowers(deps)
  onStop(() => followers.close())
  metrics.gauge('hearth_stream_position', 'The last stream position', () => store.position())
  const position = 'The stream position up to which a follower has come'
  metrics.gauges('hearth_follower_position', position, 'follower', () => followers.positions())
  const lag = 'Stream positions that a follower has before it'
  metrics.gauges('hearth_follower_lag', lag, 'follower', () => followers.lags())
  metrics.gauge('hearth_followers_tail_bytes', 'Memory of what some follower has yet to get', () => followers.tailBytes)
  return followers
}
