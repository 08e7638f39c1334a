import type { RoomId, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { presenceContent, type UserPresence } from '#services/presence/user-presence.ts'

/** How much of one kind waits for one server; what comes on top of it is lost. */
export const PENDING_MAX = 1_000
/** Users in one presence EDU. */
const PUSH_MAX = 100

export type TypingUpdates = { readonly roomId: RoomId; readonly userId: UserId; readonly typing: boolean }
export type ReceiptUpdate = {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly eventId: string
  readonly threadId: string | null
  readonly ts: number
}

/**
 * What is worth telling only while it is fresh (typing, receipts, presence), as it waits for one server: of each thing
 * the latest. Never stored.
 */
export class PendingEdus {
  readonly #typing = new Map<string, TypingUpdates>()
  readonly #receipts = new Map<string, ReceiptUpdate>()
  readonly #presence = new Map<UserId, UserPresence>()

  get size(): number {
    return this.#typing.size + this.#receipts.size + this.#presence.size
  }

  addTyping(news: TypingUpdates): void {
    put(this.#typing, `${news.roomId} ${news.userId}`, news)
  }

  addReceipt(news: ReceiptUpdate): void {
    put(this.#receipts, `${news.roomId} ${news.userId} ${news.threadId}`, news)
  }

  addPresence(user: UserPresence): void {
    put(this.#presence, user.userId, user)
  }

  clear(): void {
    this.#typing.clear()
    this.#receipts.clear()
    this.#presence.clear()
  }

  /** Takes out what fits into so many EDUs. */
  take(limit: number, now: number): JsonObject[] {
    const edus: JsonObject[] = []
    for (const [key, { roomId, userId, typing }] of this.#typing) {
      if (edus.length >= limit) return edus
      this.#typing.delete(key)
      edus.push({ edu_type: 'm.typing', content: { room_id: roomId, user_id: userId, typing } })
    }
    while (this.#receipts.size > 0 && edus.length < limit) edus.push(this.#receiptEdu())
    while (this.#presence.size > 0 && edus.length < limit) edus.push(this.#presenceEdu(now))
    return edus
  }

  /** One receipt a user and room: those of further threads take further EDUs. */
  #receiptEdu(): JsonObject {
    const rooms = new Map<RoomId, Map<UserId, JsonObject>>()
    for (const [key, { roomId, userId, eventId, threadId, ts }] of this.#receipts) {
      const users = rooms.get(roomId) ?? new Map<UserId, JsonObject>()
      if (users.has(userId)) continue
      rooms.set(roomId, users)
      users.set(userId, { event_ids: [eventId], data: { ts, ...(threadId !== null && { thread_id: threadId }) } })
      this.#receipts.delete(key)
    }
    const content = [...rooms].map(([roomId, users]) => [roomId, { 'm.read': Object.fromEntries(users) }])
    return { edu_type: 'm.receipt', content: Object.fromEntries(content) }
  }

  #presenceEdu(now: number): JsonObject {
    const users = [...this.#presence.values()].slice(0, PUSH_MAX)
    for (const { userId } of users) this.#presence.delete(userId)
    // Required here, though not in the event for clients.
    const push = users.map((user) => ({ user_id: user.userId, last_active_ago: 0, ...presenceContent(user, now) }))
    return { edu_type: 'm.presence', content: { push } }
  }
}

function put<K, V>(pending: Map<K, V>, key: K, news: V): void {
  if (pending.size < PENDING_MAX || pending.has(key)) pending.set(key, news)
}
