/**
 * What is limited, and the built-in figures: `perSecond` tokens flow into a bucket that holds `burst` of them. A burst is
 * what a family does in its first minutes, from one address: three devices each, a dozen rooms, everybody invited to
 * all of them (test/system/first-minutes.test.ts). Guessing is held off by `loginFailed`, not by these. A name is used by endpoints (`rateLimit: 'message'`) and by services that count by something else than the caller.
 */
export type RateLimit = { readonly perSecond: number; readonly burst: number }

export const RATE_LIMITS = {
  message: { perSecond: 1, burst: 50 },
  registration: { perSecond: 0.17, burst: 10 },
  registrationTokenCheck: { perSecond: 0.1, burst: 5 },
  loginPerAddress: { perSecond: 0.05, burst: 30 },
  loginPerAccount: { perSecond: 0.05, burst: 20 },
  loginFailed: { perSecond: 0.17, burst: 3 },
  joinLocal: { perSecond: 0.2, burst: 50 },
  joinRemote: { perSecond: 0.02, burst: 20 },
  joinPerRoom: { perSecond: 1, burst: 50 },
  invitePerRoom: { perSecond: 0.3, burst: 50 },
  invitePerTarget: { perSecond: 0.01, burst: 30 },
  invitePerIssuer: { perSecond: 0.5, burst: 100 },
  thirdPartyInvite: { perSecond: 0.0025, burst: 5 },
  thirdPartyValidation: { perSecond: 0.003, burst: 5 },
  roomCreation: { perSecond: 0.016, burst: 20 },
  keyRequest: { perSecond: 20, burst: 100 },
  mediaCreate: { perSecond: 10, burst: 50 },
  presence: { perSecond: 0.1, burst: 10 },
  delayedEvent: { perSecond: 1, burst: 5 },
  report: { perSecond: 1, burst: 5 },
  userDirectory: { perSecond: 0.016, burst: 200 },
  /** What the specification rate-limits without a row of its own here: cheap reads and settings. */
  other: { perSecond: 10, burst: 100 },
} as const satisfies Readonly<Record<string, RateLimit>>

export type RateLimitName = keyof typeof RATE_LIMITS
export type RateLimits = Readonly<Record<RateLimitName, RateLimit>>

/** `loginPerAddress` in the code is `login_per_address` in the file. */
export const settingName = (limit: string) => limit.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/**
 * How the requests of one other server are limited: those past `sleepAfter` in a window of `windowMs` sleep `sleepMs`
 * first, `concurrent` are worked on at a time, and while more than `rejectAfter` wait, further ones are refused.
 */
export type FederationLimit = {
  readonly windowMs: number
  readonly sleepAfter: number
  readonly sleepMs: number
  readonly rejectAfter: number
  readonly concurrent: number
}

export const FEDERATION_LIMIT: FederationLimit = {
  windowMs: 1_000,
  sleepAfter: 10,
  sleepMs: 500,
  rejectAfter: 50,
  concurrent: 3,
}

type GivenFederation = {
  readonly window_ms: number
  readonly sleep_after: number
  readonly sleep_ms: number
  readonly reject_after: number
  readonly concurrent: number
}

type GivenRateLimit = { readonly per_second: number; readonly burst: number }
/** The table of the file: `federation`, and a rate limit under any other name. */
type Given = false | { readonly federation: GivenFederation; readonly [name: string]: unknown }

/** The limits that hold: what the file names, the built-in figures for the rest, or none at all. */
export function rateLimits(given: Given): RateLimits | false {
  if (given === false) return false
  const limit = (name: RateLimitName): RateLimit => {
    const own = given[settingName(name)] as GivenRateLimit | undefined
    return own === undefined ? RATE_LIMITS[name] : { perSecond: own.per_second, burst: own.burst }
  }
  const names = Object.keys(RATE_LIMITS) as RateLimitName[]
  return Object.fromEntries(names.map((name) => [name, limit(name)])) as RateLimits
}

/** The limit of other servers' requests that holds, or none. */
export function federationLimit(given: Given): FederationLimit | false {
  if (given === false) return false
  const { window_ms, sleep_after, sleep_ms, reject_after, concurrent } = given.federation
  return {
    windowMs: window_ms,
    sleepAfter: sleep_after,
    sleepMs: sleep_ms,
    rejectAfter: reject_after,
    concurrent,
  }
}
