import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { DeviceId, RoomId, ServerName, UserId } from '#core/ids.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { RemoteDeviceLists } from '#services/federation/encryption/remote-device-lists.ts'
import { receiveToDevice } from '#services/federation/encryption/to-device-edu.ts'
import { Edus } from '#services/federation/inbound/edus.ts'
import type { Ingest } from '#services/federation/inbound/ingest.ts'
import { EDUS_MAX, PDUS_MAX, Transactions } from '#services/federation/inbound/transactions.ts'
import {
  ALICE,
  HERE,
  type InboundFixture,
  inboundFixture,
  REMY,
  signerOf,
  THERE,
} from '#test/federation/harness/inbound-fixture.ts'

const PHONE = 'PHONE' as DeviceId
const SIGNING_KEY_UPDATES = ['m.signing_key_update', 'org.matrix.signing_key_update']

let fixture: InboundFixture
let transactions: Transactions
const typing: string[] = []
const presence: [ServerName, JsonValue][] = []
let received = 0

before(async () => {
  fixture = await inboundFixture()
  const { store } = fixture.rooms
  const lists = new RemoteDeviceLists({ store, onStale: () => {} })
  transactions = new Transactions({
    store,
    ingest: {
      receive(origin, pdus) {
        received += 1
        return fixture.ingest.receive(origin, pdus)
      },
    } satisfies Pick<Ingest, 'receive'>,
    edus: new Edus({
      store,
      typing: {
        start: (_room, userId) => typing.push(`${userId} starts`),
        stop: (_room, userId) => typing.push(`${userId} stops`),
      },
      presence: {
        async receive(origin, edu) {
          presence.push([origin, edu])
        },
      },
      keys: {
        receiveToDevice: (origin, contents) => receiveToDevice({ store, serverName: HERE }, origin, contents),
        receiveDeviceUpdate: (origin, content) => lists.receiveDeviceUpdate(origin, content),
        receiveSigningKeys: (origin, content) => lists.receiveSigningKeys(origin, content),
      },
      onError: (error) => fixture.rooms.errors.push(error),
    }),
  })
})
after(() => fixture[Symbol.asyncDispose]())

let txn = 0
const send = (body: JsonObject, txnId = `txn${txn++}`) => transactions.receive(THERE, txnId, { origin: THERE, ...body })

describe('a transaction', () => {
  it('has at most 50 PDUs and 100 EDUs; with more, nothing of it is taken', async () => {
    const room = await fixture.joinedRoom()
    const messages = Array.from({ length: PDUS_MAX + 1 }, (_, i) => room.send({ i }).json)
    await assert.rejects(send({ pdus: messages }), { errcode: 'M_INVALID_PARAM' })
    const edus = Array.from({ length: EDUS_MAX + 1 }, () => ({ edu_type: 'm.none', content: {} }))
    await assert.rejects(send({ pdus: messages.slice(0, 1), edus }), { errcode: 'M_INVALID_PARAM' })
    assert.equal(fixture.ingest.counters.accepted, 0)
    const answer = await send({ pdus: messages.slice(0, PDUS_MAX), edus: edus.slice(0, EDUS_MAX) })
    assert.equal(Object.keys(answer['pdus'] as object).length, PDUS_MAX)
    assert.equal(fixture.ingest.counters.accepted, PDUS_MAX)
  })

  it('is taken once by its id, and answered alike each time, also while it is under way', async () => {
    const room = await fixture.joinedRoom()
    const body = { pdus: [room.send({ body: 'once' }).json] }
    const before = received
    const [first, second] = await Promise.all([send(body, 'same'), send(body, 'same')])
    const third = await send({ pdus: [] }, 'same')
    assert.deepEqual([second, third], [first, first])
    assert.equal(received, before + 1)
    await transactions.receive('other.test' as ServerName, 'same', body)
    assert.equal(received, before + 2)
  })

  it('of another server, or with lists that are none, is refused', async () => {
    await assert.rejects(send({ origin: 'other.test' }), { errcode: 'M_FORBIDDEN' })
    await assert.rejects(send({ pdus: {} }), { errcode: 'M_BAD_JSON' })
    await assert.rejects(send({ edus: 'x' }), { errcode: 'M_BAD_JSON' })
  })

  it('may hold anything else without harm', async () => {
    const odd: JsonValue[] = [null, 5, 'x', [], {}, { room_id: 7 }, { room_id: '!none:there.test' }, { room_id: '!' }]
    assert.deepEqual(await send({ pdus: odd, edus: odd }), { pdus: {} })
    assert.deepEqual(fixture.rooms.errors, [])
  })
})

describe('S20: an EDU', () => {
  const BOB = '@bob:other.test' as UserId
  const typingEdu = (roomId: RoomId, userId: string, isTyping = true) => ({
    edu_type: 'm.typing',
    content: { room_id: roomId, user_id: userId, typing: isTyping },
  })
  const receiptEdu = (roomId: RoomId, userId: string, eventId: string, type = 'm.read') => ({
    edu_type: 'm.receipt',
    content: { [roomId]: { [type]: { [userId]: { event_ids: [eventId], data: { ts: 5 } } } } },
  })
  const receiptsOf = (roomId: RoomId, userId: UserId) =>
    fixture.rooms.store.read(async (tx) => {
      const room = (await tx.rooms.byId(roomId))!
      const user = await tx.users.nid(userId)
      return user === null ? [] : tx.receipts.ofUser(room.nid, user)
    })

  it('of typing counts for users of the server that sends it, in rooms that they are in', async () => {
    const room = await fixture.joinedRoom()
    await fixture.push(room.member(BOB, 'join', BOB, signerOf('other.test')))
    typing.length = 0
    const gone = `@gone:${THERE}`
    await send({ edus: [typingEdu(room.roomId, BOB), typingEdu(room.roomId, gone), typingEdu(room.roomId, '@')] })
    assert.deepEqual(typing, [])
    await send({ edus: [typingEdu(room.roomId, REMY), typingEdu(room.roomId, REMY, false)] })
    assert.deepEqual(typing, [`${REMY} starts`, `${REMY} stops`])
  })

  it('is ignored where the room denies the server', async () => {
    const room = await fixture.joinedRoom()
    await fixture.push(room.put('m.room.server_acl', { allow: ['*'], deny: [THERE] }))
    typing.length = 0
    await send({ edus: [typingEdu(room.roomId, REMY)] })
    assert.deepEqual(typing, [])
  })

  it('of receipts moves those of its own users, for events of that room, and public ones alone', async () => {
    const room = await fixture.joinedRoom()
    const other = await fixture.joinedRoom()
    const message = room.send({ body: 'read me' })
    const elsewhere = other.send({ body: 'not here' })
    const join = room.member(BOB, 'join', BOB, signerOf('other.test'))
    await fixture.push(message, elsewhere, join)
    const { roomId } = room
    await send({
      edus: [
        receiptEdu(roomId, BOB, message.eventId),
        receiptEdu(roomId, REMY, elsewhere.eventId),
        receiptEdu(roomId, REMY, message.eventId, 'm.read.private'),
        receiptEdu(roomId, `@gone:${THERE}`, message.eventId),
      ],
    })
    assert.deepEqual([await receiptsOf(roomId, BOB), await receiptsOf(roomId, REMY)], [[], []])
    await send({ edus: [receiptEdu(roomId, REMY, message.eventId)] })
    const [receipt] = await receiptsOf(roomId, REMY)
    assert.equal(receipt?.eventId, message.eventId)
    assert.equal(receipt?.type, 'm.read')
  })

  it('of presence is given on with the server that it is from', async () => {
    const edu = { edu_type: 'm.presence', content: { push: [] } }
    await send({ edus: [edu] })
    assert.deepEqual(presence.at(-1), [THERE, edu])
  })

  it('of keys and devices are taken only from the server of the user whom they speak for (S20)', async () => {
    await fixture.joinedRoom()
    const { store } = fixture.rooms
    const user = await store.write(async (tx) => {
      const nid = await tx.users.intern(ALICE)
      await tx.devices.create(nid, { deviceId: PHONE, displayName: null, createdTs: 1 })
      return nid
    })
    const toDevice = (sender: string, message_id: string) => ({
      edu_type: 'm.direct_to_device',
      content: { sender, type: 'm.test', message_id, messages: { [ALICE]: { PHONE: { message_id } } } },
    })
    const listUpdate = (user_id: string) => ({
      edu_type: 'm.device_list_update',
      content: { user_id, device_id: 'D', stream_id: 5, prev_id: [] },
    })
    const signingKeys = (user_id: string, edu_type: string) => ({ edu_type, content: { user_id } })
    const changes = async (from: number) => {
      const rows = await store.read((tx) => tx.devices.listChanges(from, Number.MAX_SAFE_INTEGER))
      return rows.length
    }
    const before = store.position()
    // Remy is in a room with Alice; who isn't is nobody's concern.
    for (const stranger of ['@remy:other.test', '@gone:there.test', ALICE]) {
      await send({
        edus: [
          ...(stranger === '@gone:there.test' ? [] : [toDevice(stranger, 'forged')]),
          listUpdate(stranger),
          signingKeys(stranger, 'm.signing_key_update'),
        ],
      })
    }
    assert.equal(store.position(), before)
    await send({ edus: [toDevice(REMY, 'm1'), toDevice(REMY, 'm2'), toDevice(REMY, 'm1')] })
    await send({ edus: [toDevice(REMY, 'm2'), toDevice(REMY, 'm3')] })
    const waiting = await store.read((tx) => tx.toDevice.waiting(user, PHONE, Number.MAX_SAFE_INTEGER, 9))
    assert.deepEqual(
      waiting.map(({ event }) => event),
      ['m1', 'm2', 'm3'].map((message_id) => ({ type: 'm.test', sender: REMY, content: { message_id } })),
    )
    for (const edu of [listUpdate(REMY), ...SIGNING_KEY_UPDATES.map((type) => signingKeys(REMY, type))]) {
      const from = store.position()
      await send({ edus: [edu] })
      assert.equal(await changes(from), 1)
    }
  })

  it('that must arrive fail the transaction where they can not be stored, and come in with the next attempt', async () => {
    const { store } = fixture.rooms
    const user = await store.write(async (tx) => {
      const nid = await tx.users.intern(`@carol:${HERE}` as UserId)
      await tx.devices.create(nid, { deviceId: PHONE, displayName: null, createdTs: 1 })
      return nid
    })
    const messages = { [`@carol:${HERE}`]: { PHONE: {} } }
    const content = { sender: REMY, type: 'm.test', message_id: 'again', messages }
    const body = { edus: [{ edu_type: 'm.direct_to_device', content }] }
    const write = store.write
    store.write = () => Promise.reject(new Error('the disk is full'))
    await assert.rejects(send(body, 'full'), /the disk is full/)
    store.write = write
    for (const _ of [1, 2]) await send(body, 'full')
    const waiting = await store.read((tx) => tx.toDevice.waiting(user, PHONE, Number.MAX_SAFE_INTEGER, 9))
    assert.equal(waiting.length, 1)
  })

  it('of a type that nothing is made for, or that is malformed, is ignored', async () => {
    const types = ['m.device_list_update', 'm.direct_to_device', 'm.signing_key_update', 'm.typing', 'm.receipt', 'x']
    const contents: JsonValue[] = [null, [], 'x', {}, { user_id: 5 }, { '!x:y': null }, { '!x:y': { 'm.read': [] } }]
    for (const edu_type of types) await send({ edus: contents.map((content) => ({ edu_type, content })) })
    assert.deepEqual(fixture.rooms.errors, [])
  })
})
