import type { EventId } from '#core/ids.ts'

/**
 * What a step of the pipeline says of an event. `rule` numbers the authorisation rule of the room version that
 * decided, or names the step of the server-server API's "Checks performed on receipt of a PDU".
 */
export type Verdict =
  | { readonly outcome: 'accept' }
  /** Its content hash doesn't fit: go on with the redacted copy. */
  | { readonly outcome: 'redact' }
  /** Kept, but shown to nobody and never cited: the current state refuses it. */
  | { readonly outcome: 'soft-fail'; readonly rule: string; readonly reason: string }
  /** Kept, so that it is not asked for again, and never part of the room. */
  | { readonly outcome: 'reject'; readonly rule: string; readonly reason: string }
  /** Not even kept. */
  | { readonly outcome: 'drop'; readonly rule: string; readonly reason: string }
  /** Can't be judged before these are here. */
  | { readonly outcome: 'missing'; readonly events: readonly EventId[] }

export const ACCEPT: Verdict = { outcome: 'accept' }
