/** What users keep for themselves about a room follows them to the room that replaces it. */
import { PowerLevels } from '#core/auth/power-levels.ts'
import type { Event } from '#core/event/event.ts'
import { isRoomId, type RoomId, type UserId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { copyRoomRules } from '#core/push/room-rules.ts'
import { changesOf, contentOf, PUSH_RULES_TYPE } from '#services/push-rules/stored-push-rules.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import { StorageFullError } from '#store/errors.ts'
import type { ReadTx, Tx } from '#store/store.ts'
import type { RoomNid, RoomRow } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

const TAGS = 'm.tag'
const DIRECT = 'm.direct'

type Move = { readonly user: UserNid; readonly from: RoomId; readonly to: RoomId }

/**
 * To be called when a local user has joined a room. At the first time, where it replaces one that they have been in,
 * their tags, their push rules for it and its place in `m.direct` are copied.
 *
 * The specification leaves it to clients; those that join by a link, or by another device, don't do it.
 */
export async function transferSettings(context: RoomContext, userId: UserId, roomId: RoomId): Promise<void> {
  const move = await context.store.read((tx) => findMove(tx, userId, roomId))
  if (move === null) return
  for (const copy of [copyTags, copyPushRules, copyDirect]) {
    try {
      await context.store.write((tx) => copy(tx, move))
    } catch (error) {
      // Nobody is kept out of a room because they store too much.
      if (!(error instanceof StorageFullError)) throw error
    }
  }
}

async function findMove(tx: ReadTx, userId: UserId, roomId: RoomId): Promise<Move | null> {
  const [user, room] = [await tx.users.nid(userId), await tx.rooms.byId(roomId)]
  if (user === null || room === null) return null
  const create = await stateEvent(tx, room.nid, 'm.room.create')
  const from = create === null ? null : predecessorOf(create)
  const old = from === null ? null : await tx.rooms.byId(from)
  if (create === null || from === null || old === null || from === roomId) return null
  // What they have changed since an earlier stay is theirs to keep.
  if ((await joinsOf(tx, user, room.nid)) !== 1 || (await joinsOf(tx, user, old.nid)) === 0) return null
  return (await isReplacedBy(tx, old, create)) ? { user, from, to: roomId } : null
}

function predecessorOf(create: Event): RoomId | null {
  const predecessor = member(create.content, 'predecessor')
  const roomId = isJsonObject(predecessor) ? member(predecessor, 'room_id') : undefined
  return typeof roomId === 'string' && isRoomId(roomId) ? roomId : null
}

async function joinsOf(tx: ReadTx, user: UserNid, room: RoomNid): Promise<number> {
  return (await tx.memberships.history(user, room)).filter(({ membership }) => membership === 'join').length
}

/**
 * Anybody can make a room that claims to replace another one, to be taken for somebody's direct chat. The old room has
 * to say so too, or the new one's creator must be among those who could have it say so, and may be about to.
 */
async function isReplacedBy(tx: ReadTx, old: RoomRow, create: Event): Promise<boolean> {
  const tombstone = await stateEvent(tx, old.nid, 'm.room.tombstone')
  if (tombstone !== null && member(tombstone.content, 'replacement_room') === create.roomId) return true
  const oldCreate = await stateEvent(tx, old.nid, 'm.room.create')
  if (oldCreate === null) return false
  const powerLevels = await stateEvent(tx, old.nid, 'm.room.power_levels')
  const levels = new PowerLevels(oldCreate.rules, powerLevels ?? undefined, oldCreate)
  return levels.userLevel(create.sender) >= levels.levelForEvent('m.room.tombstone', true)
}

async function stateEvent(tx: ReadTx, room: RoomNid, type: string): Promise<Event | null> {
  const nid = await tx.state.currentOne(room, type, '')
  return nid === null ? null : ((await tx.events.byNids([nid])).get(nid)?.event ?? null)
}

async function copyTags(tx: Tx, { user, from, to }: Move): Promise<void> {
  const tags = await tx.accountData.get(user, from, TAGS)
  if (tags === null || (await tx.accountData.get(user, to, TAGS)) !== null) return
  await tx.accountData.put(user, to, TAGS, tags)
}

async function copyPushRules(tx: Tx, { user, from, to }: Move): Promise<void> {
  const changes = changesOf(await tx.accountData.get(user, null, PUSH_RULES_TYPE))
  const copied = copyRoomRules(changes, from, to)
  if (copied !== changes) await tx.accountData.put(user, null, PUSH_RULES_TYPE, contentOf(copied))
}

/** "a mapping from users to lists of their direct rooms". */
async function copyDirect(tx: Tx, { user, from, to }: Move): Promise<void> {
  const direct = await tx.accountData.get(user, null, DIRECT)
  if (direct === null) return
  const lists = new Map(Object.entries(direct))
  let isChanged = false
  for (const [userId, rooms] of lists) {
    if (!isListed(rooms, from) || isListed(rooms, to)) continue
    lists.set(userId, [...(rooms as readonly JsonValue[]), to])
    isChanged = true
  }
  if (isChanged) await tx.accountData.put(user, null, DIRECT, Object.fromEntries(lists) as JsonObject)
}

function isListed(rooms: JsonValue, roomId: RoomId): boolean {
  return Array.isArray(rooms) && rooms.includes(roomId)
}
