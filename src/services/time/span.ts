/** A length of time from a moment on. It may end early and never late: a clock that is put back before its beginning ends it. */
export type Span = { readonly sinceTs: number; readonly ms: number }

export const NO_SPAN: Span = { sinceTs: 0, ms: 0 }

/** How much of it is left, in milliseconds; 0 when it is over. */
export function leftOf({ sinceTs, ms }: Span, now: number): number {
  return now < sinceTs ? 0 : Math.max(0, sinceTs + ms - now)
}
