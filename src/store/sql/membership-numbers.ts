import type { Membership } from '#store/types/memberships.ts'

/** Memberships by their numbers in the database. */
const MEMBERSHIPS: readonly Membership[] = ['join', 'invite', 'knock', 'leave', 'ban']

/** The number of a membership in the database. */
export const membershipNumber = (membership: Membership): number => MEMBERSHIPS.indexOf(membership)

/** The membership that a number in the database stands for. */
export const membershipOfNumber = (number: number): Membership => MEMBERSHIPS[number] as Membership

/** What a membership event says; null for what is no membership, which no accepted event should hold. */
export function asMembership(value: unknown): Membership | null {
  return MEMBERSHIPS.find((membership) => membership === value) ?? null
}
