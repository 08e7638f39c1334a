import { MatrixError } from '#core/matrix-error.ts'

/** An authorisation rule refuses an event that a client asked for: `M_FORBIDDEN`, with the rule's number. */
export class RefusedEventError extends MatrixError {
  readonly rule: string
  readonly reason: string

  /** `rule` as numbered on the page of the room version; `reason` begins in lower case. */
  constructor(rule: string, reason: string, version: string) {
    const sentence = reason.charAt(0).toUpperCase() + reason.slice(1)
    super('M_FORBIDDEN', `${sentence} (authorisation rule ${rule} of room version ${version})`)
    this.rule = rule
    this.reason = reason
  }
}
