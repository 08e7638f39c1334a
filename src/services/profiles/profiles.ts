import type { UserId } from '#core/ids.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { forbidden, notFound } from '#core/matrix-error.ts'
import type { Caller } from '#services/accounts/caller.ts'
import { checkFieldName, checkFieldValue, checkProfileSize } from '#services/profiles/profile-field.ts'
import type { Store } from '#store/store.ts'

/**
 * Carries a changed display name or avatar into the user's rooms, as `m.room.member` events. Reads the profile as it
 * then is. Called after the change is durable; may return before all rooms are done.
 */
export interface ProfilePropagation {
  propagate(userId: UserId): Promise<void>
}

/** The fields that stand in membership events too. */
const PROPAGATED = ['displayname', 'avatar_url']

/** Profiles of this server's users. */
export class Profiles {
  readonly #store: Store
  #propagation: ProfilePropagation | null = null

  constructor(deps: { store: Store }) {
    this.#store = deps.store
  }

  /** Says who carries changes into rooms. */
  propagateBy(propagation: ProfilePropagation): void {
    this.#propagation = propagation
  }

  /** All fields of a user with an account here. @throws MatrixError M_NOT_FOUND */
  async get(userId: UserId): Promise<JsonObject> {
    return Object.fromEntries(await this.#fields(userId))
  }

  /** @throws MatrixError M_NOT_FOUND, M_INVALID_PARAM */
  async getField(userId: UserId, name: string): Promise<JsonValue> {
    checkFieldName(name)
    const value = (await this.#fields(userId)).get(name)
    if (value === undefined) throw notFound('The profile has no such field')
    return value
  }

  /** @throws MatrixError M_FORBIDDEN, M_INVALID_PARAM, M_BAD_JSON, M_KEY_TOO_LARGE, M_PROFILE_TOO_LARGE */
  async setField(caller: Caller, userId: UserId, name: string, value: JsonValue): Promise<void> {
    checkFieldName(name)
    assertMayChange(caller, userId, name)
    await this.#set(caller, name, checkFieldValue(name, value))
  }

  /** @throws MatrixError M_FORBIDDEN, M_INVALID_PARAM, M_KEY_TOO_LARGE */
  async deleteField(caller: Caller, userId: UserId, name: string): Promise<void> {
    checkFieldName(name)
    assertMayChange(caller, userId, name)
    await this.#set(caller, name, undefined)
  }

  async #set({ userId, userNid }: Caller, name: string, value: JsonValue | undefined): Promise<void> {
    const changed = await this.#store.write(async (tx) => {
      const fields = await tx.profiles.get(userNid)
      if (JSON.stringify(fields.get(name)) === JSON.stringify(value)) return false
      if (value !== undefined) checkProfileSize(fields.set(name, value))
      await tx.profiles.set(userNid, name, value)
      return true
    })
    if (changed && PROPAGATED.includes(name)) await this.#propagation?.propagate(userId)
  }

  async #fields(userId: UserId): Promise<ReadonlyMap<string, JsonValue>> {
    return this.#store.read(async (tx) => {
      const nid = await tx.users.nid(userId)
      if (nid === null || (await tx.accounts.get(nid)) === null) throw notFound('No profile of this user is known')
      return tx.profiles.get(nid)
    })
  }
}

/** "Guest users may only modify their display name; other profile fields may not be changed." */
function assertMayChange(caller: Caller, userId: UserId, name: string): void {
  if (userId !== caller.userId) throw forbidden("You can't change the profile of someone else")
  if (caller.isGuest && name !== 'displayname') throw forbidden('Guests may only change their display name')
}
