import { canonicalJson } from '#core/json/canonical.ts'
import type { JsonObject } from '#core/json/value.ts'
import { Answer } from '#kit/answer.ts'

/** Keys as they are signed: some servers check the bytes that come, rather than what they read in them. */
export function keyDocument(json: JsonObject): Answer {
  return new Answer(200, { 'content-type': 'application/json' }, canonicalJson(json))
}
