import { isContentRule } from '#core/auth/rule-numbers.ts'
import { MatrixError } from '#core/matrix-error.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'

/**
 * An authorisation rule refuses an event that a client asked for: `M_FORBIDDEN`, with the rule's number; `M_BAD_JSON`
 * where nobody might send such content. Clients take 403 for a lack of power.
 */
export class RefusedEventError extends MatrixError {
  readonly rule: string
  readonly reason: string

  /** `rule` as numbered on the page of the room version; `reason` begins in lower case. */
  constructor(rule: string, reason: string, rules: RoomVersionRules) {
    const sentence = reason.charAt(0).toUpperCase() + reason.slice(1)
    const errcode = isContentRule(rules, rule) ? 'M_BAD_JSON' : 'M_FORBIDDEN'
    super(errcode, `${sentence} (authorisation rule ${rule} of room version ${rules.version})`)
    this.rule = rule
    this.reason = reason
  }
}
