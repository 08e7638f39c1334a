/** Who may take back an invite, or refuse a knock, of a local user to a room that this server isn't in. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import type { Event } from '#core/event/event.ts'
import type { ServerName, UserId } from '#core/ids.ts'
import { EventSignatures } from '#services/federation/membership/event-signatures.ts'
import { OutOfBandEvents } from '#services/federation/membership/out-of-band-events.ts'
import { putOutOfBandMembership } from '#services/federation/membership/out-of-band-memberships.ts'
import {
  HERE,
  honest,
  type InboundFixture,
  inboundFixture,
  REMY,
  signerOf,
  signHere,
  THERE,
} from '#test/federation/harness/inbound-fixture.ts'
import { RemoteRoom } from '#test/federation/harness/remote-room.ts'

const OTHER = 'other.test' as ServerName
const BELLA = `@bella:${HERE}` as UserId
/** Of the inviter's server, and of another. */
const [RITA, OLLY] = [`@rita:${THERE}`, `@olly:${OTHER}`] as [UserId, UserId]

let fixture: InboundFixture
let events: OutOfBandEvents
let room: RemoteRoom
before(async () => {
  fixture = await inboundFixture()
  events = new OutOfBandEvents({
    context: fixture.rooms.rooms.context,
    signatures: new EventSignatures(async () => 'valid'),
    isAuthorised: fixture.ingest.isAuthorised.bind(fixture.ingest),
  })
})
after(() => fixture[Symbol.asyncDispose]())
beforeEach(() => {
  fixture.asked.length = 0
})

const signer = (user: UserId) => signerOf(user.slice(user.indexOf(':') + 1))

/** A room elsewhere with Rita and Olly in it, one of whom may kick, and Bella knocking or invited by Remy. */
async function waiting(version: string, membership: 'invite' | 'knock', moderator?: UserId): Promise<void> {
  room = new RemoteRoom(version, REMY, signerOf(THERE))
  for (const user of [RITA, OLLY]) room.member(user, 'join', user, signer(user))
  const creator = version === '12' ? {} : { [REMY]: 100 }
  room.put('m.room.power_levels', { users: { ...creator, ...(moderator !== undefined && { [moderator]: 50 }) } })
  if (membership === 'knock') room.put('m.room.join_rules', { join_rule: 'knock' })
  const own = membership === 'knock'
  const event = room.member(BELLA, membership, own ? BELLA : REMY, own ? signHere : signerOf(THERE))
  await fixture.rooms.store.write((tx) => putOutOfBandMembership(tx, event, []))
  fixture.answers = honest(room)
}

const leave = (sender: UserId) => room.member(BELLA, 'leave', sender, signer(sender))

async function isTaken(event: Event): Promise<boolean> {
  const taken = await events.ended(event)
  const now = await fixture.rooms.store.read(async (tx) => {
    const here = await tx.rooms.byId(room.roomId)
    return (await tx.memberships.one((await tx.users.nid(BELLA))!, here!.nid))?.membership
  })
  assert.equal(now === 'leave', taken)
  return taken
}

for (const version of ['1', '11', '12']) {
  describe(`in version ${version}, an invite`, () => {
    it('is taken back by the inviter, whose word is enough', async () => {
      await waiting(version, 'invite')
      assert.ok(await isTaken(leave(REMY)))
      assert.deepEqual(fixture.asked, [])
    })

    it('is not by others of the inviter’s server, nor by those who only know it', async () => {
      for (const user of [RITA, OLLY]) {
        await waiting(version, 'invite')
        assert.ok(!(await isTaken(leave(user))), user)
        assert.notDeepEqual(fixture.asked, [])
      }
    })

    it('is by those who prove that they may', async () => {
      for (const user of [RITA, OLLY]) {
        await waiting(version, 'invite', user)
        assert.ok(await isTaken(leave(user)), user)
      }
    })

    it('is not where the proof can’t be had, or doesn’t speak of this invite', async () => {
      await waiting(version, 'invite', OLLY)
      const honestly = fixture.answers
      fixture.answers = () => null
      const kick = leave(OLLY)
      assert.ok(!(await isTaken(kick)))
      fixture.answers = honestly
      assert.ok(await isTaken(kick), 'when it comes again')
      await waiting(version, 'invite', OLLY)
      const authEvents = room.stateEvents.filter(({ type, stateKey }) => type !== 'm.room.member' || stateKey === OLLY)
      const content = { membership: 'leave' }
      const draft = { type: 'm.room.member', stateKey: BELLA, sender: OLLY, content, signer: signer(OLLY) }
      assert.ok(!(await isTaken(room.event({ ...draft, authEvents }))))
    })
  })
}

describe('a knock', () => {
  it('is refused by those who prove that they may', async () => {
    await waiting('11', 'knock', OLLY)
    assert.ok(!(await isTaken(leave(RITA))))
    await waiting('11', 'knock', OLLY)
    assert.ok(await isTaken(leave(OLLY)))
  })
})
