import type { Event } from '#core/event/event.ts'
import type { JsonValue } from '#core/json/value.ts'
import type { RoomVersionRules } from '#core/room-versions.ts'
import { contentField } from './content-field.ts'
import { PowerLevels } from './power-levels.ts'

/** One entry of a room's state. */
export type StateLookup = (type: string, stateKey: string) => Event | undefined

/** A room's state as the authorisation rules speak of it. */
export class RoomView {
  readonly create: Event
  readonly #rules: RoomVersionRules
  readonly #state: StateLookup
  #levels: PowerLevels | undefined

  constructor(rules: RoomVersionRules, create: Event, state: StateLookup) {
    this.#rules = rules
    this.create = create
    this.#state = state
  }

  /** "Current membership state": undefined where the user has none that can be read. */
  membership(userId: string): JsonValue | undefined {
    return contentField(this.#state('m.room.member', userId), 'membership')
  }

  /** `invite` where the room has no join rules. */
  joinRule(): JsonValue | undefined {
    const joinRules = this.#state('m.room.join_rules', '')
    return joinRules === undefined ? 'invite' : contentField(joinRules, 'join_rule')
  }

  thirdPartyInvite(token: string): Event | undefined {
    return this.#state('m.room.third_party_invite', token)
  }

  powerLevelsEvent(): Event | undefined {
    return this.#state('m.room.power_levels', '')
  }

  get levels(): PowerLevels {
    this.#levels ??= new PowerLevels(this.#rules, this.powerLevelsEvent(), this.create)
    return this.#levels
  }
}
