import type { JsonObject } from '#core/json/value.ts'
import type { Caller } from '#services/accounts/caller.ts'

/** What came of an attempt: the stage is completed, with what it found out; or not, for the reason given. */
export type StageOutcome =
  | { readonly completed: true; readonly found: JsonObject }
  | { readonly completed: false; readonly errcode: string; readonly error: string }

/** One type of authentication that user-interactive authentication may ask for. */
export interface UiaStage {
  /** Such as `m.login.password`. */
  readonly type: string
  /** What clients must know to use the stage; shown under `params`. Null where there is nothing. */
  params(): JsonObject | null
  /**
   * Judges the `auth` object of a request. Nothing of it may be kept, except what `found` says, which must hold no
   * secret: it is stored with the session.
   *
   * @throws MatrixError for what isn't about authentication, such as M_LIMIT_EXCEEDED or a member of a wrong type
   */
  attempt(auth: JsonObject, context: { readonly caller: Caller | null }): Promise<StageOutcome>
}
