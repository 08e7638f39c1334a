import { PowerLevels } from '#core/auth/power-levels.ts'
import type { Event } from '#core/event/event.ts'
import { isUserId, type RoomId, serverOf, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, member } from '#core/json/value.ts'
import { forbidden } from '#core/matrix-error.ts'
import { membershipOf } from '#services/rooms/members/member-content.ts'
import type { RoomDraft } from '#services/rooms/queue/room-draft.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'

const ADMIN_LEVEL = 100

/** Through whom somebody got which power. */
export type Appointment = { readonly by: UserId; readonly level: number }

type Power = { readonly levels: PowerLevels; readonly create: Event | null; readonly content: JsonObject | null }

/**
 * Gives power in rooms on behalf of the server's administrator. Nobody can be given power that no user of this server
 * holds: other servers would refuse the event.
 */
export class RoomAdministrators {
  readonly #context: RoomContext

  constructor(context: RoomContext) {
    this.#context = context
  }

  /**
   * Makes a user as powerful as the most powerful user of this server in the room, who sends the event.
   *
   * @throws M_FORBIDDEN where nobody of this server may change the room's power levels, M_NOT_FOUND for an unknown room
   */
  appoint(userId: UserId, roomId: RoomId): Promise<Appointment> {
    return this.#context.queues.run(roomId, {
      run: async (draft) => {
        const power = await powerIn(draft)
        const giver = await this.#giver(draft, power, userId)
        const needed = power.levels.levelForEvent('m.room.power_levels', true)
        const given = giver.level === Number.POSITIVE_INFINITY ? Math.max(ADMIN_LEVEL, needed) : giver.level
        if (power.levels.userLevel(userId) >= given) return { by: giver.userId, level: given }
        const content = power.content ?? (giver.level === ADMIN_LEVEL ? { users: { [giver.userId]: ADMIN_LEVEL } } : {})
        const users = member(content, 'users')
        await draft.send({
          type: 'm.room.power_levels',
          stateKey: '',
          sender: giver.userId,
          content: { ...content, users: { ...(isJsonObject(users) ? users : {}), [userId]: given } },
        })
        return { by: giver.userId, level: given }
      },
    })
  }

  async #giver(draft: RoomDraft, power: Power, userId: UserId): Promise<{ userId: UserId; level: number }> {
    const { levels } = power
    const needed = levels.levelForEvent('m.room.power_levels', true)
    const able = this.#candidates(power, userId)
      .map((candidate) => ({ userId: candidate, level: levels.userLevel(candidate) }))
      .filter(({ level }) => level >= needed)
      .sort((a, b) => (a.level === b.level ? 0 : b.level - a.level))
    for (const candidate of able) {
      if (membershipOf(await draft.state('m.room.member', candidate.userId)) === 'join') return candidate
    }
    throw forbidden(`Nobody of ${this.#context.serverName} holds power in ${draft.roomId}`)
  }

  /** The users of this server whom the room's state names as having power, and the one in question. */
  #candidates({ create, content }: Power, userId: UserId): UserId[] {
    const users = content === null ? undefined : member(content, 'users')
    const additional = create === null ? undefined : member(create.content, 'additional_creators')
    const named = [
      userId,
      ...(create === null ? [] : [create.sender]),
      ...(Array.isArray(additional) ? additional : []).filter((one) => typeof one === 'string'),
      ...(isJsonObject(users) ? Object.keys(users) : []),
    ]
    return [...new Set(named)].filter(
      (one): one is UserId => isUserId(one) && serverOf(one) === this.#context.serverName,
    )
  }
}

async function powerIn(draft: RoomDraft): Promise<Power> {
  const create = await draft.state('m.room.create', '')
  const event = await draft.state('m.room.power_levels', '')
  const levels = new PowerLevels(draft.rules, event ?? undefined, create ?? undefined)
  return { levels, create, content: event?.content ?? null }
}
