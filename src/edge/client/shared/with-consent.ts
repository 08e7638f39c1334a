import type { JsonObject } from '#core/json/value.ts'
import { type Answer, json } from '#kit/answer.ts'
import { addressKey } from '#kit/request-address.ts'
import type { Caller } from '#services/accounts/caller.ts'
import type { Consent } from '#services/accounts/uia/consent.ts'
import type { Uia, UiaRequest } from '#services/accounts/uia/uia.ts'
import type { RateLimiter } from '#services/rate-limits/rate-limiter.ts'

/** Does what needs user-interactive authentication, or answers 401 with what is asked for. */
export async function withConsent(
  uia: Uia,
  request: UiaRequest,
  operate: (consent: Consent) => Promise<object>,
): Promise<object | Answer> {
  const result = await uia.perform(request, operate)
  return result.allowed ? result.value : json(401, result.challenge)
}

/** Authentication without an access token is a login by another name, and counts as one. @throws M_LIMIT_EXCEEDED */
export function countAsLogin(
  limiter: RateLimiter,
  { caller, body, ip }: { caller: Caller | null; body: { readonly auth?: JsonObject | null | undefined }; ip: string },
): void {
  if (caller === null && body.auth != null) limiter.take('loginPerAddress', addressKey(ip))
}
