/** The law of device lists: what clients fold out of their syncs is the truth, whatever happened in between. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { UserId } from '#core/ids.ts'
import { deviceListChanges, LOGGED_POSITIONS_MAX } from '#services/e2ee/device-list-changes.ts'
import type { Store } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { RoomFixture } from '#test/store/rooms/room-fixture.ts'

const USERS = 4
const ROOMS = 3
const RUNS = 25

type Action =
  | { readonly do: 'join' | 'leave' | 'invite'; readonly user: number; readonly room: number }
  | { readonly do: 'keys' | 'sync'; readonly user: number }
  | { readonly do: 'encrypt'; readonly room: number }

const user = fc.nat(USERS - 1)
const room = fc.nat(ROOMS - 1)
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('join', 'leave'), user, room }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('invite' as const), user, room }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('keys' as const), user }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('sync' as const), user }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('encrypt' as const), room }) },
)

let worlds = 0

/** Users, rooms and what each user's client believes. */
class World {
  readonly #store: Store
  readonly #loggedPositionsMax: number
  readonly #users: { readonly id: UserId; readonly nid: UserNid }[] = []
  readonly #rooms: RoomFixture[] = []
  readonly #joined: Set<number>[] = Array.from({ length: ROOMS }, () => new Set())
  /** How often each user's keys have changed. */
  readonly #versions = Array.from({ length: USERS }, () => 0)
  readonly #encrypted = new Set<number>()
  readonly #clients: {
    since: number
    readonly known: Map<number, number>
    quiet: Set<number>
    /** With whom an encrypted room was shared at the last sync. */
    encryptedWith: ReadonlySet<number>
  }[] = []

  private constructor(store: Store, loggedPositionsMax: number) {
    this.#store = store
    this.#loggedPositionsMax = loggedPositionsMax
  }

  static async make(store: Store, loggedPositionsMax: number): Promise<World> {
    const world = new World(store, loggedPositionsMax)
    worlds += 1
    for (let i = 0; i < USERS; i++) {
      // Every other user is of another server.
      const id = `@user${i}-${worlds}:${i % 2 === 0 ? 'hearth' : 'elsewhere'}.example` as UserId
      world.#users.push({ id, nid: await store.write((tx) => tx.users.intern(id)) })
    }
    for (let i = 0; i < ROOMS; i++) world.#rooms.push(await RoomFixture.create(store))
    for (let i = 0; i < USERS; i++) {
      const known = new Map<number, number>()
      world.#clients.push({ since: store.position(), known, quiet: new Set(), encryptedWith: new Set() })
    }
    return world
  }

  async act(action: Action): Promise<void> {
    switch (action.do) {
      case 'keys':
        await this.#store.write((tx) => tx.devices.recordListChange(this.#users[action.user]!.nid, null))
        this.#versions[action.user]! += 1
        for (const client of this.#clients) client.quiet.delete(action.user)
        return
      case 'sync':
        return this.#sync(action.user)
      case 'encrypt':
        if (this.#encrypted.has(action.room)) return
        this.#encrypted.add(action.room)
        await this.#rooms[action.room]!.append(this.#store, [this.#rooms[action.room]!.state('m.room.encryption', '')])
        for (const member of this.#joined[action.room]!) {
          for (const other of this.#joined[action.room]!) this.#clients[member]!.quiet.delete(other)
        }
        return
      default: {
        const fixture = this.#rooms[action.room]!
        await fixture.append(this.#store, [fixture.member(this.#users[action.user]!.id, action.do)])
        if (action.do === 'join') this.#joined[action.room]!.add(action.user)
        else this.#joined[action.room]!.delete(action.user)
        // Whoever comes or goes may change whom both share rooms with.
        this.#clients[action.user]!.quiet.clear()
        for (const client of this.#clients) client.quiet.delete(action.user)
      }
    }
  }

  async syncAll(): Promise<void> {
    for (let i = 0; i < USERS; i++) await this.#sync(i)
  }

  async #sync(own: number): Promise<void> {
    const client = this.#clients[own]!
    const { changed, left, to } = await this.#store.read(async (tx) => {
      const to = await tx.position()
      const span = { user: this.#users[own]!.nid, from: client.since, to }
      return { ...(await deviceListChanges(tx, span, this.#loggedPositionsMax)), to }
    })
    const number = (id: UserId) => this.#users.findIndex((one) => one.id === id)
    const sharing = this.#sharing(own, () => true)
    const encryptedWith = this.#sharing(own, (room) => this.#encrypted.has(room))
    for (const other of encryptedWith.difference(client.encryptedWith)) {
      assert.ok(changed.map(number).includes(other), 'who newly shares an encrypted room is told')
    }
    client.encryptedWith = encryptedWith
    assert.equal(new Set([...changed, ...left]).size, changed.length + left.length, 'nobody is named twice')
    for (const other of left.map(number)) {
      assert.ok(client.known.delete(other), 'only who was there can have left')
    }
    for (const other of changed.map(number)) {
      assert.ok(!client.quiet.has(other), 'where nothing happened there is nothing to tell')
      assert.ok(other === own || sharing.has(other), 'others are no business of this client')
      client.known.set(other, this.#versions[other]!)
    }
    const expected = new Map([...sharing].map((other) => [other, this.#versions[other]]))
    const known = new Map([...client.known].filter(([other]) => other !== own))
    assert.deepEqual(new Map([...known].sort()), new Map([...expected].sort()))
    if (this.#versions[own] !== 0) assert.equal(client.known.get(own), this.#versions[own])
    client.since = to
    client.quiet = new Set(this.#users.keys())
  }

  /** With whom a user shares some of the rooms. */
  #sharing(own: number, isMeant: (room: number) => boolean): Set<number> {
    const rooms = this.#joined.filter((members, room) => members.has(own) && isMeant(room))
    return new Set(rooms.flatMap((members) => [...members])).difference(new Set([own]))
  }
}

forEachDatabase('device lists', (test) => {
  for (const [name, positionsMax] of [
    ['by the log', LOGGED_POSITIONS_MAX],
    ['by the rooms', 0],
  ] as const) {
    test(`folded out of syncs are the truth (${name})`, async (open) => {
      const store = await open()
      const histories = fc.array(action, { minLength: 10, maxLength: 40 })
      await fc.assert(
        fc.asyncProperty(histories, async (actions) => {
          const world = await World.make(store, positionsMax)
          for (const one of actions) await world.act(one)
          await world.syncAll()
        }),
        { numRuns: RUNS },
      )
    })
  }
})
