import type { RoomId } from '#core/ids.ts'
import { isJsonObject, type JsonObject, member } from '#core/json/value.ts'
import { MatrixError, notFound, tooLarge } from '#core/matrix-error.ts'
import type { Caller } from '#services/accounts/caller.ts'
import { clientPushRules, PUSH_RULES_TYPE } from '#services/push-rules/stored-push-rules.ts'
import type { Store } from '#store/store.ts'

/** "Servers MUST reject setting account data for event types that the server manages". */
const MANAGED_TYPES = ['m.fully_read', PUSH_RULES_TYPE]
const TAG_TYPE = 'm.tag'
/** Tags of one user on one room. */
export const TAGS_MAX = 100

/** What users keep for themselves: account data, global or of a room, and tags. */
export class AccountData {
  readonly #store: Store

  constructor(deps: { store: Store }) {
    this.#store = deps.store
  }

  /** `roomId` null for global data. @throws MatrixError M_NOT_FOUND */
  async get({ userId, userNid }: Caller, roomId: RoomId | null, type: string): Promise<JsonObject> {
    const content = await this.#store.read((tx) => tx.accountData.get(userNid, roomId, type))
    if (roomId === null && type === PUSH_RULES_TYPE) return clientPushRules(userId, content)
    if (content === null) throw notFound('No account data of this type')
    return content
  }

  /** @throws MatrixError M_BAD_JSON with status 405 for the types that the server manages */
  async put({ userNid }: Caller, roomId: RoomId | null, type: string, content: JsonObject): Promise<void> {
    if (MANAGED_TYPES.includes(type)) {
      throw new MatrixError('M_BAD_JSON', `Cannot set ${type} through this API`, { status: 405 })
    }
    await this.#store.write((tx) => tx.accountData.put(userNid, roomId, type, content))
  }

  async tags({ userNid }: Caller, roomId: RoomId): Promise<JsonObject> {
    return tagsOf(await this.#store.read((tx) => tx.accountData.get(userNid, roomId, TAG_TYPE)))
  }

  /** Adds or replaces one tag, leaving the others. @throws MatrixError M_TOO_LARGE */
  async setTag({ userNid }: Caller, roomId: RoomId, tag: string, info: JsonObject): Promise<void> {
    await this.#store.write(async (tx) => {
      const entries = new Map(Object.entries(tagsOf(await tx.accountData.get(userNid, roomId, TAG_TYPE))))
      entries.set(tag, info)
      if (entries.size > TAGS_MAX) throw tooLarge(`A room may have at most ${TAGS_MAX} tags`)
      await tx.accountData.put(userNid, roomId, TAG_TYPE, { tags: Object.fromEntries(entries) })
    })
  }

  /** Removes a tag if it is there. */
  async deleteTag({ userNid }: Caller, roomId: RoomId, tag: string): Promise<void> {
    await this.#store.write(async (tx) => {
      const tags = tagsOf(await tx.accountData.get(userNid, roomId, TAG_TYPE))
      if (member(tags, tag) === undefined) return
      const left = Object.entries(tags).filter(([name]) => name !== tag)
      await tx.accountData.put(userNid, roomId, TAG_TYPE, { tags: Object.fromEntries(left) })
    })
  }
}

/** The tags in `m.tag`, which a client may also have written as account data in any shape. */
function tagsOf(content: JsonObject | null): JsonObject {
  const tags = content === null ? undefined : member(content, 'tags')
  return isJsonObject(tags) ? tags : {}
}
