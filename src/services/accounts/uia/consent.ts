import type { JsonObject } from '#core/json/value.ts'
import type { Tx } from '#store/store.ts'

/** What a user who authenticated allows: one operation, once. */
export interface Consent {
  /** What each stage found, by its type. */
  readonly found: ReadonlyMap<string, JsonObject>
  /**
   * Uses the consent up. Each operation that asks for one does this in its own write: both are done, or neither.
   * @throws ConsentSpentError where it was used already; nothing of the write may be kept
   */
  spend(tx: Tx): Promise<void>
}

/** The session of a consent was used up by another request meanwhile. `Uia.perform` answers with a new challenge. */
export class ConsentSpentError extends Error {
  override readonly name = 'ConsentSpentError'
}
