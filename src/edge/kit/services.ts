/**
 * What endpoints can reach: one line a service, given by the composition root (`src/server.ts`). A handler takes only
 * those it uses out of it: `handle({ caller }, { accountData })`.
 */
export interface Services {
  readonly clock: () => number
}
