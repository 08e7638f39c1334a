/**
 * What an authorisation check says: the numbered rule that decided, as numbered on the page of the event's room
 * version, such as `5.3.2`. (The published pages number list items in sequence; where a page's source repeats or skips
 * a number, as version 12 does in rules 3 and 10, the published number counts.)
 */
export type AuthResult =
  | { readonly ok: true; readonly rule: string }
  | { readonly ok: false; readonly rule: string; readonly reason: string }

export function allow(rule: string): AuthResult {
  return { ok: true, rule }
}

export function reject(rule: string, reason: string): AuthResult {
  return { ok: false, rule, reason }
}
