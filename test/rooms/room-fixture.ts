/** The services of rooms on a store of their own, for tests that need no HTTP. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Event } from '#core/event/event.ts'
import { signerFromSeed } from '#core/event/sign.ts'
import type { EventId, RoomId, ServerName, UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import { RateLimiter } from '#services/rate-limits/rate-limiter.ts'
import type { RoomSettings } from '#services/rooms/room-context.ts'
import { RoomServices } from '#services/rooms/room-services.ts'
import { openStore } from '#store/sql/open.ts'
import type { Store } from '#store/store.ts'
import type { EventRow, TransactionKey } from '#store/types/events.ts'
import type { UserNid } from '#store/types/users.ts'

const QUIET_LOG = { info() {}, warn() {}, error() {} }

export const SERVER = 'here.test'
export const ALL_VERSIONS = [...ROOM_VERSIONS.keys()]

export type TestUser = {
  readonly userId: UserId
  readonly userNid: UserNid
  readonly isGuest: boolean
  readonly isAdmin: boolean
}

export type RoomFixture = AsyncDisposable & {
  readonly store: Store
  readonly rooms: RoomServices
  /** What went wrong in the background. */
  readonly errors: unknown[]
  /** Milliseconds; a test may move it. */
  clock: { now: number }
  user(name: string, kind?: { isGuest?: boolean; isAdmin?: boolean }): Promise<TestUser>
  /** The same services once more on the same store, with memories of their own. */
  secondProcess(): Promise<RoomServices>
  /** Closes the store and opens it again, as a restart does. */
  restart(): Promise<void>
  send(
    user: TestUser,
    roomId: RoomId,
    type: string,
    content: JsonObject,
    transaction?: TransactionKey,
  ): Promise<EventId>
  setState(user: TestUser, roomId: RoomId, type: string, content: JsonObject, stateKey?: string): Promise<EventId>
  row(eventId: EventId): Promise<EventRow>
  /** One event of the room's current state. */
  state(roomId: RoomId, type: string, stateKey?: string): Promise<Event | null>
  membership(roomId: RoomId, userId: UserId): Promise<unknown>
  /** The room's timeline, oldest first. */
  timeline(roomId: RoomId): Promise<Event[]>
}

/** Opens the services on an empty SQLite database. */
export async function roomFixture(settings: Partial<RoomSettings> = {}): Promise<RoomFixture> {
  const dataDir = mkdtempSync(join(tmpdir(), 'hearth-rooms-'))
  const clock = { now: 1_700_000_000_000 }
  const errors: unknown[] = []
  const servicesOn = (store: Store) =>
    new RoomServices({
      store,
      signer: signerFromSeed(SERVER, 'a', new Uint8Array(32).fill(7)),
      limiter: new RateLimiter({ limits: false, clock: () => clock.now }),
      clock: () => clock.now,
      randomBytes,
      onError: (error) => errors.push(error),
      settings: {
        defaultVersion: '12',
        aliasesWithoutMembership: false,
        publication: [{ action: 'allow' }],
        ...settings,
      },
    })
  const open = async () => {
    const store = await openStore({
      database: 'sqlite',
      dataDir,
      serverName: SERVER as ServerName,
      clock: () => clock.now,
      log: QUIET_LOG,
    })
    return { store, rooms: servicesOn(store) }
  }
  let opened = await open()
  const close = async () => {
    await opened.rooms.idle()
    await opened.store[Symbol.asyncDispose]()
  }

  const state: RoomFixture['state'] = (roomId, type, stateKey = '') =>
    opened.store.read(async (tx) => {
      const room = await tx.rooms.byId(roomId)
      const nid = room === null ? null : await tx.state.currentOne(room.nid, type, stateKey)
      return nid === null ? null : ((await tx.events.byNids([nid])).get(nid)?.event ?? null)
    })

  return {
    get store() {
      return opened.store
    },
    get rooms() {
      return opened.rooms
    },
    errors,
    clock,

    async user(name, { isGuest = false, isAdmin = false } = {}) {
      const userId = `@${name}:${SERVER}` as UserId
      const userNid = await opened.store.write(async (tx) => {
        const nid = await tx.users.intern(userId)
        const account = { userNid: nid, guest: isGuest, admin: isAdmin, passwordHash: null, createdTs: clock.now }
        await tx.accounts.create(account)
        return nid
      })
      return { userId, userNid, isGuest, isAdmin }
    },

    async secondProcess() {
      return servicesOn(opened.store)
    },

    async restart() {
      await close()
      clock.now += 1_000
      opened = await open()
    },

    send(sender, roomId, type, content, transaction) {
      return opened.rooms.sending.send({ roomId, sender, type, content, ...(transaction && { transaction }) })
    },

    setState(sender, roomId, type, content, stateKey = '') {
      return opened.rooms.sending.sendState({ roomId, sender, type, stateKey, content })
    },

    async row(eventId) {
      const row = await opened.store.read((tx) => tx.events.byId(eventId))
      if (row === null) throw new Error(`No event ${eventId}`)
      return row
    },

    state,

    async membership(roomId, userId) {
      return (await state(roomId, 'm.room.member', userId))?.content['membership'] ?? null
    },

    timeline(roomId) {
      return opened.store.read(async (tx) => {
        const room = await tx.rooms.byId(roomId)
        if (room === null) throw new Error(`No room ${roomId}`)
        const rows = await tx.events.timeline({ room: room.nid, direction: 'forwards', limit: 1_000 })
        return rows.map(({ event }) => event)
      })
    },

    async [Symbol.asyncDispose]() {
      await close()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
