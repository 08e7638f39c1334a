import { serverOf, type UserId } from '#core/ids.ts'
import { addressKey } from '#kit/request-address.ts'
import type { Services } from '#kit/services.ts'

/** Anybody may look up profiles, as often as they like; but not make this server ask others as often as they like. */
export function limitRemoteLookups(userId: UserId, ip: string, { config, limiter }: Services): void {
  if (serverOf(userId) !== config.server_name) limiter.take('other', addressKey(ip))
}
