import { ed25519FromSeed, encodeBase64 } from '#core/crypto.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import type { JsonObject } from '#core/json/value.ts'
import { ALICE, BOB, CAROL, DAVE, type TestRoom } from '#test/generators/test-room.ts'
import { INVITE, type RuleCase, under } from './rule-case.ts'

const invite = (room: TestRoom, sender: string, target: string, more: object = {}) =>
  room.decide({ type: 'm.room.member', stateKey: target, sender, content: { membership: 'invite', ...more } })

const identityServer = ed25519FromSeed(new Uint8Array(32).fill(7))
const PUBLIC_KEY = encodeBase64(identityServer.publicKey)
const OTHER_KEY = encodeBase64(ed25519FromSeed(new Uint8Array(32).fill(8)).publicKey)

/** What an identity server signs when Dave turns out to own the address. */
function signed(more: JsonObject = {}): JsonObject {
  const body: JsonObject = { mxid: DAVE, sender: BOB, token: 'token', ...more }
  const signature = encodeBase64(identityServer.sign(canonicalJson(body)))
  return { ...body, signatures: { 'id.example': { 'ed25519:0': signature } } }
}

/** Bob invited an address, and now the invite of Dave that comes of it; the room's state can be changed before. */
function redeem(room: TestRoom, thirdPartyInvite: unknown, keys: JsonObject = { public_key: PUBLIC_KEY }) {
  room.put({ type: 'm.room.third_party_invite', stateKey: 'token', sender: BOB, content: keys })
  return invite(room, BOB, DAVE, { third_party_invite: thirdPartyInvite })
}

const honest = (room: TestRoom) => redeem(room, { signed: signed() })

const THIRD_PARTY_CASES: readonly RuleCase[] = [
  {
    rule: under(INVITE, '1.1'),
    kind: 'refuses',
    accept: honest,
    refuse: (room) => {
      room.member(DAVE, 'ban', ALICE)
      return honest(room)
    },
  },
  {
    rule: under(INVITE, '1.2'),
    kind: 'refuses',
    accept: honest,
    refuse: (room) => redeem(room, { display_name: 'dave' }),
  },
  {
    rule: under(INVITE, '1.3'),
    kind: 'refuses',
    accept: honest,
    refuse: (room) => redeem(room, { signed: { mxid: DAVE } }),
  },
  {
    rule: under(INVITE, '1.4'),
    kind: 'refuses',
    accept: honest,
    refuse: (room) => redeem(room, { signed: signed({ mxid: CAROL }) }),
  },
  {
    rule: under(INVITE, '1.5'),
    kind: 'refuses',
    accept: honest,
    refuse: (room) => redeem(room, { signed: signed({ token: 'another' }) }),
  },
  {
    rule: under(INVITE, '1.6'),
    kind: 'refuses',
    accept: honest,
    refuse: (room) => {
      room.put({
        type: 'm.room.third_party_invite',
        stateKey: 'token',
        sender: ALICE,
        content: { public_key: PUBLIC_KEY },
      })
      return invite(room, BOB, DAVE, { third_party_invite: { signed: signed() } })
    },
  },
  {
    rule: under(INVITE, '1.7.1'),
    kind: 'allows',
    accept: honest,
    refuse: (room) => redeem(room, { signed: signed() }, { public_key: OTHER_KEY }),
  },
  {
    rule: under(INVITE, '1.7.2'),
    kind: 'allows',
    accept: (room) =>
      redeem(room, { signed: signed() }, { public_keys: [{ public_key: OTHER_KEY }, { public_key: PUBLIC_KEY }] }),
    refuse: (room) => redeem(room, { signed: signed() }, { public_keys: [{ public_key: OTHER_KEY }] }),
  },
  {
    rule: under(INVITE, '1.8'),
    kind: 'refuses',
    accept: honest,
    // Signed, and changed afterwards.
    refuse: (room) => redeem(room, { signed: { ...signed(), sender: ALICE } }),
  },
]

export const INVITE_CASES: readonly RuleCase[] = [
  ...THIRD_PARTY_CASES,
  {
    rule: under(INVITE, '2'),
    kind: 'refuses',
    accept: (room) => invite(room, CAROL, DAVE),
    refuse: (room) => {
      room.member(CAROL, 'leave')
      return invite(room, CAROL, DAVE)
    },
  },
  {
    rule: under(INVITE, '3'),
    kind: 'refuses',
    accept: (room) => {
      room.member(DAVE, 'leave')
      return invite(room, CAROL, DAVE)
    },
    refuse: (room) => {
      room.member(DAVE, 'ban', ALICE)
      return invite(room, ALICE, DAVE)
    },
  },
  {
    rule: under(INVITE, '3'),
    kind: 'refuses',
    accept: (room) => invite(room, ALICE, DAVE),
    refuse: (room) => invite(room, ALICE, CAROL),
  },
  {
    rule: under(INVITE, '4'),
    kind: 'allows',
    accept: (room) => {
      room.powerLevels({ invite: 50 })
      return invite(room, BOB, DAVE)
    },
    refuse: (room) => {
      room.powerLevels({ invite: 51 })
      return invite(room, BOB, DAVE)
    },
  },
  {
    rule: under(INVITE, '5'),
    kind: 'refuses',
    accept: (room) => invite(room, CAROL, DAVE),
    refuse: (room) => {
      room.powerLevels({ invite: 1 })
      return invite(room, CAROL, DAVE)
    },
  },
]
