/** What the runs came across; a counter that stays zero says that something was never tried. */
export type Coverage = {
  events: number
  forks: number
  conflicts: number
  softFails: number
  rejections: number
  unRejections: number
  backfills: number
  gapFills: number
  crashes: number
  partialJoins: number
  requests: number
  requestsLost: number
  requestsRepeated: number
  requestsCut: number
}

export const COUNTERS = [
  'events',
  'forks',
  'conflicts',
  'softFails',
  'rejections',
  'unRejections',
  'backfills',
  'gapFills',
  'crashes',
  'partialJoins',
  'requests',
  'requestsLost',
  'requestsRepeated',
  'requestsCut',
] as const satisfies readonly (keyof Coverage)[]

export function noCoverage(): Coverage {
  return Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Coverage
}

export function addCoverage(to: Coverage, more: Coverage): void {
  for (const name of COUNTERS) to[name] += more[name]
}
