/** The main job on real input: people on matrix-js-sdk and a bot on matrix-nio talk, and a kill -9 loses nothing. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  Direction,
  EventType,
  type MatrixClient,
  type MatrixEvent,
  MsgType,
  ReceiptType,
  RelationType,
  type Room,
  RoomMemberEvent,
} from 'matrix-js-sdk'
import { Api } from '#test/system/harness/api.ts'
import { Hearth, SERVER_NAME } from '#test/system/harness/hearth.ts'
import { NioBot } from '#test/system/harness/nio-bot.ts'
import { Recorder } from '#test/system/harness/recorder.ts'
import { loginWithSdk, registerWithSdk, startSdk } from '#test/system/harness/sdk-client.ts'
import { until } from '#test/system/harness/until.ts'

const ALICE = `@alice:${SERVER_NAME}`
const BOB = `@bob:${SERVER_NAME}`
const BOT = `@echo:${SERVER_NAME}`

describe('people and a bot talk', () => {
  let hearth: Hearth
  let recorder: Recorder
  let bot: NioBot
  let alice: MatrixClient
  let bob: MatrixClient
  let roomId: string
  const clients: MatrixClient[] = []

  before(async () => {
    hearth = await Hearth.start()
    recorder = await Recorder.start(hearth.url)
  })
  after(async () => {
    for (const client of clients) client.stopClient()
    await bot?.[Symbol.asyncDispose]()
    await recorder[Symbol.asyncDispose]()
    await hearth[Symbol.asyncDispose]()
  })

  const started = async (client: MatrixClient) => {
    clients.push(client)
    await startSdk(client)
    return client
  }
  const roomOf = (client: MatrixClient): Promise<Room> =>
    until(`${client.getUserId()} to know the room`, () => client.getRoom(roomId))
  const texts = async (client: MatrixClient): Promise<string[]> =>
    (await roomOf(client))
      .getLiveTimeline()
      .getEvents()
      .filter((event) => event.getType() === EventType.RoomMessage)
      .map((event) => String(event.getContent()['body']))
  const eventIn = async (client: MatrixClient, eventId: string): Promise<MatrixEvent> => {
    const room = await roomOf(client)
    return until(`${client.getUserId()} to see ${eventId}`, () => room.findEventById(eventId))
  }

  it('two register, one creates a room and invites, the other joins', async () => {
    alice = await started(await registerWithSdk(recorder.url, 'alice'))
    bob = await started(await registerWithSdk(recorder.url, 'bob'))
    ;({ room_id: roomId } = await alice.createRoom({ name: 'Kitchen', invite: [BOB] }))
    const invited = await roomOf(bob)
    await until('bob to be invited', () => invited.getMyMembership() === 'invite')
    assert.equal(invited.name, 'Kitchen', 'the invitation tells the name')
    await bob.joinRoom(roomId)
    await until('alice to see bob join', async () => (await roomOf(alice)).getMember(BOB)?.membership === 'join')
    assert.equal((await roomOf(alice)).getVersion(), '12')
  })

  it('messages arrive, the sender sees their own but once', async () => {
    const { event_id: eventId } = await alice.sendTextMessage(roomId, 'soup is ready')
    assert.equal((await eventIn(bob, eventId)).getContent()['body'], 'soup is ready')
    await bob.sendTextMessage(roomId, 'coming')
    await until('alice to read it', async () => (await texts(alice)).includes('coming'))
    assert.deepEqual(await texts(alice), ['soup is ready', 'coming'])
  })

  it('edits, reactions and redactions reach the other side', async () => {
    const { event_id: eventId } = await alice.sendTextMessage(roomId, 'sup')
    await alice.sendEvent(roomId, EventType.RoomMessage, {
      msgtype: MsgType.Text,
      body: '* soup',
      'm.new_content': { msgtype: MsgType.Text, body: 'soup' },
      'm.relates_to': { rel_type: RelationType.Replace, event_id: eventId },
    })
    const edited = await eventIn(bob, eventId)
    await until('the edit', () => edited.getContent()['body'] === 'soup')

    const { event_id: reactionId } = await bob.sendEvent(roomId, EventType.Reaction, {
      'm.relates_to': { rel_type: RelationType.Annotation, event_id: eventId, key: '🍲' },
    })
    const reaction = await eventIn(alice, reactionId)
    assert.deepEqual(reaction.getRelation(), { rel_type: 'm.annotation', event_id: eventId, key: '🍲' })
    const reactions = (await roomOf(alice)).relations.getChildEventsForEvent(eventId, 'm.annotation', 'm.reaction')
    assert.equal(reactions?.getRelations().length, 1)

    await alice.redactEvent(roomId, eventId)
    await until('the redaction', () => edited.isRedacted())
    const stored = await bob.fetchRoomEvent(roomId, eventId)
    assert.deepEqual(stored.content, {})
    assert.equal(stored.unsigned?.redacted_because?.sender, ALICE)
  })

  it('receipts and typing go both ways', async () => {
    for (const [sender, reader] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      const { event_id: eventId } = await sender.sendTextMessage(roomId, `from ${sender.getUserId()}`)
      await reader.sendReadReceipt(await eventIn(reader, eventId), ReceiptType.Read)
      const room = await roomOf(sender)
      await until('the receipt', () => room.getEventReadUpTo(reader.getUserId()!, true) === eventId)

      const member = (await roomOf(reader)).getMember(sender.getUserId()!)!
      const typed = new Promise<boolean>((resolve) => member.once(RoomMemberEvent.Typing, (_e, m) => resolve(m.typing)))
      await sender.sendTyping(roomId, true, 20_000)
      assert.equal(await typed, true)
      await sender.sendTyping(roomId, false, 0)
      await until('the end of typing', () => !member.typing)
    }
  })

  it('the bot joins on invitation and answers both', async () => {
    await new Api(recorder.url).register('echo')
    bot = await NioBot.start(recorder.url, BOT, 'sesame')
    await alice.invite(roomId, BOT)
    await until('the bot to join', async () => (await roomOf(alice)).getMember(BOT)?.membership === 'join')
    await alice.sendTextMessage(roomId, 'anybody?')
    await bob.sendTextMessage(roomId, 'hello bot')
    for (const client of [alice, bob]) {
      await until('the echoes', async () => {
        const said = await texts(client)
        return said.includes('echo: anybody?') && said.includes('echo: hello bot')
      })
    }
  })

  it('a late third person sees it all and pages back to the start', async () => {
    for (let i = 0; i < 40; i++) await alice.sendTextMessage(roomId, `*filler ${i}`)
    await new Api(recorder.url).register('carol')
    await alice.invite(roomId, `@carol:${SERVER_NAME}`)
    const carol = await loginWithSdk(recorder.url, 'carol')
    await carol.joinRoom(roomId)
    await started(carol)
    const room = await roomOf(carol)
    await room.loadMembersIfNeeded()
    assert.deepEqual(
      room
        .getJoinedMembers()
        .map((member) => member.userId)
        .sort(),
      [ALICE, BOB, BOT, `@carol:${SERVER_NAME}`].sort(),
    )
    assert.equal(room.name, 'Kitchen')
    while (room.oldState.paginationToken !== null) await carol.scrollback(room, 30)
    const events = room.getLiveTimeline().getEvents()
    assert.equal(events[0]?.getType(), EventType.RoomCreate)
    // The SDK keeps no place in the timeline for what relates to an event that was redacted before it came.
    const expected = (await apiOf(alice).history(roomId)).filter(
      ({ type, content }) => type !== EventType.RoomRedaction && content['m.relates_to'] === undefined,
    )
    assert.deepEqual(
      events.filter((event) => event.getType() !== EventType.RoomRedaction).map((event) => event.getId()),
      expected.map((event) => event.event_id),
    )
  })

  it('a second device catches up by itself', async () => {
    const phone = await started(await loginWithSdk(recorder.url, 'alice'))
    await bob.sendTextMessage(roomId, '*to both devices')
    await until('the phone to read it', async () => (await texts(phone)).includes('*to both devices'))
    const { devices } = await alice.getDevices()
    assert.equal(devices.length, 2)
    const page = await phone.createMessagesRequest(roomId, null, 5, Direction.Backward)
    assert.equal(page.chunk.length, 5)
    await phone.logout(true)
    await assert.rejects(phone.whoami(), { errcode: 'M_UNKNOWN_TOKEN' })
    await alice.whoami()
  })

  it('kill -9 in the middle of sends loses nothing that was acknowledged, and all go on', async () => {
    const acknowledged: string[] = []
    const senders = [apiOf(alice), apiOf(bob)].map(async (api, i) => {
      for (let n = 0; ; n++) {
        try {
          acknowledged.push(await api.send(roomId, `*crash ${i} ${n}`))
        } catch {
          return
        }
      }
    })
    await until('fifty sends', () => acknowledged.length >= 50)
    await hearth.kill()
    await Promise.all(senders)
    await hearth.boot()

    const history = (await apiOf(alice).history(roomId)).map((event) => event.event_id)
    assert.deepEqual(
      acknowledged.filter((eventId) => !history.includes(eventId)),
      [],
    )
    // The clients' own sync loops find the server again, and lack nothing.
    await bob.sendTextMessage(roomId, 'are you back?')
    for (const client of [alice, bob]) {
      await until('the bot to answer', async () => (await texts(client)).includes('echo: are you back?'), 60_000)
      const room = await roomOf(client)
      for (const eventId of acknowledged) assert.ok(room.findEventById(eventId), `${client.getUserId()} has ${eventId}`)
    }
  })

  it('logging out ends the waiting sync', async () => {
    const bobsPhone = await new Api(recorder.url).login('bob')
    const { next_batch: since } = await bobsPhone.sync()
    const waiting = bobsPhone.request('GET', '/_matrix/client/v3/sync', { query: { since, timeout: 60_000 } })
    await bobsPhone.post('/_matrix/client/v3/logout')
    assert.equal((await waiting).status, 401)
  })

  it('each answer fitted the specification', () => {
    assert.deepEqual(recorder.violations, [])
    assert.doesNotMatch(hearth.output, /"level":(?:50|60)/, hearth.output)
  })
})

/** The same account and device, asked directly. */
function apiOf(client: MatrixClient): Api {
  return new Api(client.getHomeserverUrl(), {
    access_token: client.getAccessToken()!,
    user_id: client.getUserId()!,
    device_id: client.getDeviceId()!,
  })
}
