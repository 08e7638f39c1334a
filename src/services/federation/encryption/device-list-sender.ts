import { type ServerName, serverOf, type UserId } from '#core/ids.ts'
import { type DeviceListEdus, edusOf, introductionOf } from '#services/federation/encryption/device-list-edus.ts'
import type { Claim, FollowerWrite, LogBatch } from '#services/log/follower.ts'
import { ENTRIES_PER_BATCH_MAX, type Following } from '#services/log/following.ts'
import type { LogFollowers } from '#services/log/log-followers.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { ReadTx, Store } from '#store/store.ts'
import type { DeviceListChange } from '#store/types/devices.ts'
import type { LogEntry } from '#store/types/log.ts'
import type { LatestEdu } from '#store/types/outbound.ts'
import type { RoomNid } from '#store/types/rooms.ts'
import type { UserNid } from '#store/types/users.ts'

/** The name under which the follower keeps its position. */
export const DEVICE_LIST_FOLLOWER = 'device_lists'
type Deps = {
  readonly store: Store
  readonly followers: LogFollowers
  readonly serverName: ServerName
  readonly tellsDeviceNames: boolean
  /** Something was queued for a server. */
  readonly eduQueued: (server: ServerName) => void
}

/** EDUs and whom they are for. */
type Mail = { readonly edus: readonly LatestEdu[]; readonly servers: ReadonlySet<ServerName> }

/**
 * Tells other servers of changes of local users' device lists and cross-signing keys: those that share a room with the
 * user, and those that begin to. It follows the log; what is to be sent is queued in the same write as its position, so
 * that a crash neither loses anything nor sends it twice.
 */
export class DeviceListSender {
  readonly #deps: Deps
  readonly #following: Following

  private constructor(deps: Deps, claim: Claim) {
    this.#deps = deps
    this.#following = deps.followers.follow({
      name: DEVICE_LIST_FOLLOWER,
      topics: ['device_list', 'member'],
      claim,
      handle: (batch) => this.#handle(batch),
    })
  }

  /** Goes on where the last process ended. */
  static async start(deps: Deps): Promise<DeviceListSender> {
    return new DeviceListSender(deps, await deps.followers.claim(DEVICE_LIST_FOLLOWER))
  }

  /** Resolves when the end of the log is reached. */
  idle(): Promise<void> {
    return this.#following.idle()
  }

  close(): Promise<void> {
    return this.#following.close()
  }

  async #handle({ from, upTo, entries }: LogBatch): Promise<FollowerWrite | null> {
    const { store, eduQueued } = this.#deps
    const mail = await store.read(async (tx) => [
      ...(await this.#changes(tx, entries, from, upTo)),
      ...(await this.#introductions(tx, entries)),
    ])
    const due = mail.filter(({ edus, servers }) => edus.length > 0 && servers.size > 0)
    if (due.length === 0) return null
    return {
      async write(tx) {
        for (const { edus, servers } of due) {
          for (const edu of edus) await tx.outbound.queueLatest(servers, edu)
        }
      },
      written() {
        for (const server of new Set(due.flatMap(({ servers }) => [...servers]))) eduQueued(server)
      },
    }
  }

  async #changes(tx: ReadTx, entries: readonly LogEntry[], from: number, upTo: number): Promise<Mail[]> {
    if (!entries.some(({ kind }) => kind === 'device_list')) return []
    const changes = await tx.devices.ownListChanges(from, upTo, ENTRIES_PER_BATCH_MAX)
    const userIds = await tx.users.userIds([...new Set(changes.map(({ userNid }) => userNid))])
    const mail: Mail[] = []
    for (const { change, since } of latestOfEach(changes)) {
      const userId = userIds.get(change.userNid)
      const servers = this.#others(await tx.sharing.serversWithUser(change.userNid))
      if (userId === undefined || servers.size === 0) continue
      mail.push({ edus: await edusOf(this.#edus(tx), change, userId, since), servers })
    }
    return mail
  }

  /** "When that user joins a room which contains servers which are not already receiving updates", and the other way round. */
  async #introductions(tx: ReadTx, entries: readonly LogEntry[]): Promise<Mail[]> {
    const moves = entries.filter(({ kind, userNid }) => kind === 'event' && userNid !== null)
    const userIds = await tx.users.userIds([...new Set(moves.map(({ userNid }) => userNid as UserNid))])
    const mail: Mail[] = []
    const newcomers = new Map<RoomNid, ReadonlySet<ServerName>>()
    const timeSlice = new TimeSlice()
    for (const { position, roomNid, userNid } of moves) {
      await timeSlice.yieldIfDue()
      const userId = userIds.get(userNid as UserNid)
      if (roomNid === null || userNid === null || userId === undefined) continue
      if (serverOf(userId) === this.#deps.serverName) {
        if ((await tx.memberships.at(userNid, roomNid, position))?.membership !== 'join') continue
        mail.push({ edus: await introductionOf(this.#edus(tx), userId), servers: await this.#inRoom(tx, roomNid) })
      } else {
        const servers = this.#others(await tx.sharing.arrivals(roomNid, position))
        if (servers.size > 0) newcomers.set(roomNid, servers.union(newcomers.get(roomNid) ?? new Set()))
      }
    }
    // When the members of a large room become known, many come at once.
    for (const [room, servers] of newcomers) {
      for (const local of await localMembers(tx, room)) {
        mail.push({ edus: await introductionOf(this.#edus(tx), local), servers })
      }
    }
    return mail
  }

  async #inRoom(tx: ReadTx, room: RoomNid): Promise<ReadonlySet<ServerName>> {
    const servers = [...(await tx.rooms.serversIn(room)).keys()]
    return this.#others([...servers, ...((await tx.rooms.byNid(room))?.partial?.servers ?? [])])
  }

  #others(servers: readonly ServerName[]): ReadonlySet<ServerName> {
    return new Set(servers).difference(new Set([this.#deps.serverName]))
  }

  #edus(tx: ReadTx): DeviceListEdus {
    return { tx, tellsDeviceNames: this.#deps.tellsDeviceNames }
  }
}

async function localMembers(tx: ReadTx, room: RoomNid): Promise<UserId[]> {
  return [...(await tx.users.userIds(await tx.sharing.localMembers(room))).values()]
}

/**
 * The last change of each device, and of each user's keys. `since` is the position of the first device change after the
 * one of that user that comes before it here, so that nothing seems to be missing in between.
 */
function latestOfEach(changes: readonly DeviceListChange[]): { change: DeviceListChange; since: number }[] {
  const nameOf = ({ userNid, deviceId }: DeviceListChange) => `${userNid} ${deviceId ?? ''}`
  const last = new Map(changes.map((change) => [nameOf(change), change]))
  const begun = new Map<UserNid, number>()
  const latest: { change: DeviceListChange; since: number }[] = []
  for (const change of changes) {
    const { userNid, deviceId, position } = change
    const since = begun.get(userNid) ?? position
    if (deviceId !== null) begun.set(userNid, since)
    if (last.get(nameOf(change)) !== change) continue
    latest.push({ change, since })
    if (deviceId !== null) begun.delete(userNid)
  }
  return latest
}
