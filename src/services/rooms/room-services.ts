import type { Signer } from '#core/event/sign.ts'
import type { ServerName, UserId } from '#core/ids.ts'
import type { Accounts } from '#services/accounts/accounts.ts'
import type { Part } from '#services/parts/part.ts'
import type { Profiles } from '#services/profiles/profiles.ts'
import type { RateLimiter } from '#services/rate-limits/rate-limiter.ts'
import { RoomCreation } from '#services/rooms/creation/room-creation.ts'
import { RoomUpgrades } from '#services/rooms/creation/room-upgrades.ts'
import { RoomAliases } from '#services/rooms/directory/aliases.ts'
import { RoomDirectory } from '#services/rooms/directory/directory.ts'
import { type ForeignAliases, NO_FOREIGN_ALIASES } from '#services/rooms/directory/foreign-aliases.ts'
import { MemberProfiles } from '#services/rooms/members/member-profiles.ts'
import { RoomMemberships } from '#services/rooms/members/memberships.ts'
import { RoomQueues } from '#services/rooms/queue/room-queues.ts'
import { RoomAdministrators } from '#services/rooms/room-administrators.ts'
import type { RoomContext, RoomSettings } from '#services/rooms/room-context.ts'
import { RoomSending } from '#services/rooms/sending/sending.ts'
import type { Store } from '#store/store.ts'

export type RoomServicesDeps = {
  readonly store: Store
  readonly signer: Signer
  readonly limiter: RateLimiter
  readonly clock: () => number
  readonly randomBytes: (count: number) => Uint8Array
  readonly onError: (error: unknown) => void
  readonly settings: RoomSettings
}

type Deps = RoomServicesDeps & Part & { readonly accounts: Accounts; readonly profiles: Profiles }

/** Makes them, and goes on with what an earlier run left to do in rooms for accounts and profiles. */
export async function roomServices(deps: Deps): Promise<RoomServices> {
  const { accounts, profiles, metrics, onStop } = deps
  const rooms = new RoomServices(deps)
  onStop(() => rooms.idle())
  metrics.gauge('hearth_rooms_busy', 'Rooms that are being written to', () => rooms.busyRooms)
  metrics.gauge('hearth_room_heads_bytes', 'Memory of the rooms kept at hand for writing', () => rooms.headBytes)
  profiles.propagateBy(rooms.memberProfiles)
  await rooms.memberProfiles.resume()
  await accounts.departBy(rooms)
  return rooms
}

/** Everything about rooms that changes them. */
export class RoomServices {
  readonly creation: RoomCreation
  readonly memberships: RoomMemberships
  readonly sending: RoomSending
  readonly aliases: RoomAliases
  readonly directory: RoomDirectory
  readonly upgrades: RoomUpgrades
  readonly memberProfiles: MemberProfiles
  readonly administrators: RoomAdministrators
  /** What services that stand above rooms are built of. */
  readonly context: RoomContext
  #foreignAliases = NO_FOREIGN_ALIASES

  constructor(deps: RoomServicesDeps) {
    const { store, signer, limiter, clock, settings } = deps
    const newLocalpart = () => randomLocalpart(deps.randomBytes)
    const draftDeps = { store, signer, clock, newLocalpart }
    const queues = new RoomQueues(draftDeps)
    const foreignAliases: ForeignAliases = { resolve: (alias) => this.#foreignAliases.resolve(alias) }
    this.context = { ...draftDeps, queues, limiter, settings, foreignAliases, serverName: signer.name as ServerName }
    this.creation = new RoomCreation(this.context)
    this.memberships = new RoomMemberships(this.context)
    this.sending = new RoomSending(this.context, this.memberships)
    this.aliases = new RoomAliases(this.context)
    this.directory = new RoomDirectory(this.context)
    this.upgrades = new RoomUpgrades(this.context, this.creation)
    this.administrators = new RoomAdministrators(this.context)
    this.memberProfiles = new MemberProfiles(this.context, deps.onError)
  }

  /** Tells who asks other servers about their aliases. */
  askForeignAliasesBy(foreign: ForeignAliases): void {
    this.#foreignAliases = foreign
  }

  /** Takes a deactivated user out of all rooms. */
  async leaveAllRooms(userId: UserId): Promise<void> {
    const user = await this.context.store.read((tx) => tx.users.nid(userId))
    if (user !== null) await this.memberships.leaveAll(userId, user)
  }

  /** Rooms that are being written to. */
  get busyRooms(): number {
    return this.context.queues.busyRooms
  }

  /** Bytes that rooms kept at hand take, about. */
  get headBytes(): number {
    return this.context.queues.headBytes
  }

  /** Resolves when no change is under way. */
  async idle(): Promise<void> {
    await this.memberProfiles.idle()
    await this.context.queues.idle()
  }
}

const LOCALPART_LENGTH = 18
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Random letters: nobody can guess a room's id, and none ever comes twice. */
function randomLocalpart(randomBytes: (count: number) => Uint8Array): string {
  let text = ''
  while (text.length < LOCALPART_LENGTH) {
    for (const byte of randomBytes(LOCALPART_LENGTH * 2)) {
      // The largest multiple of 52 in a byte; others would favour some letters.
      if (byte < 208 && text.length < LOCALPART_LENGTH) text += LETTERS.charAt(byte % LETTERS.length)
    }
  }
  return text
}
