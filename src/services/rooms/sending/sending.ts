import type { Event } from '#core/event/event.ts'
import { type EventId, isUserId, type RoomAlias, type RoomId, serverOf, type UserId } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { type JsonObject, member } from '#core/json/value.ts'
import { badJson, forbidden, MatrixError } from '#core/matrix-error.ts'
import { checkForeignAliases } from '#services/rooms/directory/foreign-aliases.ts'
import { turnOutGuests } from '#services/rooms/members/guest-access.ts'
import type { RoomMemberships } from '#services/rooms/members/memberships.ts'
import type { RoomJob } from '#services/rooms/queue/room-queues.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import { checkAnnotation } from '#services/rooms/sending/annotations.ts'
import { redactionOf, type Sender } from '#services/rooms/sending/redactions.ts'
import { addedAliases, checkStateContent } from '#services/rooms/sending/state-content.ts'
import { UnknownRoomError } from '#services/rooms/unknown-room-error.ts'
import type { TransactionKey } from '#store/types/events.ts'

export type Message = {
  readonly roomId: RoomId
  readonly sender: Sender
  readonly type: string
  readonly content: JsonObject
  /** The event that a redaction redacts, where the request names it outside of the content. */
  readonly redacts?: EventId
  /** Names the request, so that its repetition gets the same answer. Absent for what the server itself sends. */
  readonly transaction?: TransactionKey
}

export type StateMessage = {
  readonly roomId: RoomId
  readonly sender: { readonly userId: UserId; readonly isGuest: boolean }
  readonly type: string
  readonly stateKey: string
  readonly content: JsonObject
}

type Wanted = Pick<Message, 'sender' | 'type' | 'content'> & { readonly redacts: EventId | undefined }

/** Sends events of this server's users into rooms. */
export class RoomSending {
  readonly #context: RoomContext
  readonly #memberships: RoomMemberships
  /** Requests under way by what names them, for those that repeat them meanwhile. */
  readonly #underWay = new Map<string, Promise<EventId>>()

  constructor(context: RoomContext, memberships: RoomMemberships) {
    this.#context = context
    this.#memberships = memberships
  }

  /**
   * Sends an event that isn't state. A request with the same transaction id gets the id of the event that the first
   * one made, also while that is under way and after a restart.
   *
   * @throws M_FORBIDDEN, M_TOO_LARGE, M_BAD_JSON, M_DUPLICATE_ANNOTATION; M_NOT_FOUND for what should be redacted
   */
  async send(message: Message): Promise<EventId> {
    const { roomId, type, transaction } = message
    const redaction = type === 'm.room.redaction' ? takeRedacts(message) : null
    const wanted = { ...message, content: redaction?.content ?? message.content, redacts: redaction?.redacts }
    if (transaction === undefined) return this.#run(roomId, this.#job(wanted, undefined))
    const { userNid, deviceId, txnId } = transaction
    const name = JSON.stringify([roomId, type, wanted.redacts, userNid, deviceId, txnId])
    const same = this.#underWay.get(name)
    if (same !== undefined) return same
    // For when another endpoint of this device has used the transaction id.
    const apart = { userNid, deviceId, txnId, endpoint: JSON.stringify([type, wanted.redacts]) }
    const job = this.#job(wanted, transaction, this.#job(wanted, apart))
    const sending = this.#run(roomId, job).finally(() => this.#underWay.delete(name))
    this.#underWay.set(name, sending)
    return sending
  }

  /**
   * Sends a state event. The same content from the same sender again is the event that stands there already.
   *
   * @throws as `send`; M_INVALID_PARAM and M_BAD_ALIAS for aliases; M_INVITE_BLOCKED
   */
  async sendState(message: StateMessage): Promise<EventId> {
    const { roomId, sender, type, stateKey, content } = message
    if (type === 'm.room.member') return this.#sendMember(message)
    const aliases = type === 'm.room.canonical_alias' && stateKey === '' ? await this.#foreignAliases(message) : []
    return this.#run(roomId, {
      run: async (draft) => {
        const current = await draft.state(type, stateKey)
        if (isRepetition(current, sender.userId, content)) {
          // Who has left, or lost the power, is not to learn that it stands there still.
          await draft.check({ type, stateKey, sender: sender.userId, content })
          return current.eventId
        }
        await checkStateContent(this.#context, draft, { type, stateKey, content }, aliases)
        const event = await draft.send({ type, stateKey, sender: sender.userId, content })
        if (type === 'm.room.guest_access' && stateKey === '') await turnOutGuests(this.#context, draft)
        return event.eventId
      },
    })
  }

  /** Other servers' aliases that the message adds: their servers say that they point to the room. @throws M_BAD_ALIAS */
  async #foreignAliases({ roomId, sender, type, stateKey, content }: StateMessage): Promise<readonly RoomAlias[]> {
    const { serverName, foreignAliases } = this.#context
    const added = await this.#run(roomId, {
      run: async (draft) => {
        const foreign = (await addedAliases(draft, content)).filter((alias) => serverOf(alias) !== serverName)
        if (foreign.length === 0) return []
        // Only for those who may send it is anybody asked.
        await draft.check({ type, stateKey, sender: sender.userId, content })
        return foreign
      },
    })
    await checkForeignAliases(foreignAliases, added, roomId)
    return added
  }

  async #sendMember({ roomId, sender, stateKey: target, content }: StateMessage): Promise<EventId> {
    if (!isUserId(target)) throw badJson('The state key of m.room.member must be a user id')
    if (typeof member(content, 'membership') !== 'string') throw badJson('membership must be a string')
    const decide = (current: Event | null) => (isRepetition(current, sender.userId, content) ? 'keep' : 'send')
    const event = await hidingRooms(this.#memberships.change({ roomId, sender, target, content, decide }))
    return event.eventId
  }

  #job(wanted: Wanted, key: TransactionKey | undefined, otherwise?: RoomJob<EventId>): RoomJob<EventId> {
    const { sender, type, content, redacts } = wanted
    const job: RoomJob<EventId> = {
      run: async (draft) => {
        await checkAnnotation(this.#context, draft, { type, sender: sender.userId, content })
        const effect = redacts === undefined ? {} : await redactionOf(this.#context, draft, sender, redacts)
        const event = await draft.send({
          type,
          sender: sender.userId,
          content,
          transaction: key,
          ...effect,
          ...(redacts === undefined ? {} : { redacts }),
        })
        return event.eventId
      },
    }
    if (key === undefined) return job
    // "The scope of a transaction ID is for … a single HTTP endpoint", whose path names the type, or what is redacted.
    const answer = (event: Event) => (event.type === type && event.redacts === (redacts ?? null) ? event.eventId : null)
    return { ...job, transaction: { key, answer, otherwise: otherwise ?? job } }
  }

  #run<T>(roomId: RoomId, job: RoomJob<T>): Promise<T> {
    return hidingRooms(this.#context.queues.run(roomId, job))
  }
}

/** To those who aren't in them, rooms that exist and rooms that don't look alike. */
async function hidingRooms<T>(sent: Promise<T>): Promise<T> {
  try {
    return await sent
  } catch (error) {
    if (error instanceof UnknownRoomError) throw forbidden('You are not in this room')
    throw error
  }
}

/**
 * "Homeservers MUST allow clients to send `m.room.redaction` events with this endpoint for all room versions. In rooms
 * with a version older than 11 they MUST move the `redacts` property inside the `content` to the top level."
 */
function takeRedacts(message: Message): { readonly redacts: EventId; readonly content: JsonObject } {
  const { redacts: inContent, ...content } = message.content
  const redacts = message.redacts ?? inContent
  if (redacts === undefined) throw new MatrixError('M_MISSING_PARAM', 'A redaction needs redacts')
  if (typeof redacts !== 'string') throw badJson('redacts must be an event id')
  return { redacts: redacts as EventId, content }
}

function isRepetition(current: Event | null, sender: UserId, content: JsonObject): current is Event {
  return current?.sender === sender && canonicalJson(current.content) === canonicalJson(content)
}
