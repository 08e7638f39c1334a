/** The limits towards other servers, each exactly at and just past it, over the wire. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Event } from '#core/event/event.ts'
import { eventIdOf } from '#core/event/hash.ts'
import { hashAndSignEvent } from '#core/event/sign.ts'
import type { JsonObject, JsonValue } from '#core/json/value.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import { FEDERATION_BODY_BYTES_MAX } from '#kit/endpoint.ts'
import type { RemoteDraft, RemoteRoom } from '#test/federation/harness/remote-room.ts'
import { deliver, isShown, joinedRoom, type Scene, securityScene } from '#test/federation/harness/security-scene.ts'
import type { Reply } from '#test/federation/hostile-server.ts'
import { room } from '#test/system/harness/api.ts'

const e = encodeURIComponent
const F1 = '/_matrix/federation/v1'

let scene: Scene
before(async () => {
  scene = await securityScene()
})
after(() => scene?.[Symbol.asyncDispose]())

/** Which of the events are shown to users, once all have been judged. */
async function taken(remote: RemoteRoom, events: readonly Event[]): Promise<boolean[]> {
  await deliver(scene, remote, ...events)
  return Promise.all(events.map(({ eventId }) => isShown(scene.alice, remote.roomId, eventId)))
}

/** Asserts what becomes of events that differ from an honest one by these drafts. */
async function assertTaken(
  version: string,
  cases: readonly (readonly [what: string, draft: RemoteDraft, isTaken: boolean])[],
) {
  const remote = await joinedRoom(scene, version)
  const events = cases.map(([, draft]) => remote.event(draft))
  const found = await taken(remote, events)
  const outcome = (isTaken: (index: number) => boolean) =>
    Object.fromEntries(cases.map(([what], index) => [what, isTaken(index) ? 'taken' : 'dropped']))
  assert.deepEqual(
    outcome((index) => found[index] === true),
    outcome((index) => cases[index]?.[2] === true),
  )
}

const raw = (text: string) => JSON.rawJSON(text) as unknown as JsonValue
const NUMBERED = ['1', '2', '3', '5', '6', '9', '10', '11', '12']

describe('an event', () => {
  it('cites at most 20 previous events and 10 authorising ones', async () => {
    const remote = await joinedRoom(scene)
    const forks = Array.from({ length: 21 }, () => remote.event({}))
    const users = Array.from({ length: 12 }, (_, index) => scene.evil.user(`user${index}`))
    const members = users.map((userId) => remote.member(userId, 'join'))
    assert.ok((await taken(remote, [...forks, ...members])).every(Boolean))
    const fits = remote.event({ prevEvents: forks.slice(0, 20) })
    const over = remote.event({ prevEvents: forks })
    const chosen = remote.stateEvents.filter(({ eventId }) => fits.authEvents.includes(eventId))
    const many = remote.event({ authEvents: [...chosen, ...members].slice(0, 11) })
    assert.deepEqual(await taken(remote, [fits, over, many]), [true, false, false])
    // Ten of them are few enough, but not those that the rules select.
    const ten = remote.event({ authEvents: [...chosen, ...members].slice(0, 10) })
    assert.deepEqual(await taken(remote, [ten]), [false])
  })

  const lengths = (place: (text: string) => RemoteDraft, rest: number) =>
    [
      ['255 bytes', 'x'.repeat(255 - rest), true],
      ['256 bytes', 'x'.repeat(256 - rest), false],
      [
        '255 bytes, two a character',
        `${'é'.repeat((254 - rest) / 2)}${'x'.repeat(1 + (rest % 2))}`.slice(0, 255),
        true,
      ],
      ['256 bytes, two a character', `${'é'.repeat((256 - rest) / 2)}${'x'.repeat(rest % 2)}`, false],
      ['256 bytes, four a character', `${'😀'.repeat((256 - rest) / 4)}${'x'.repeat((256 - rest) % 4)}`, false],
    ].map(([what, text, isTaken]) => [what as string, place(text as string), isTaken as boolean] as const)

  for (const version of ['1', '5', '6', '11', '12']) {
    it(`has a type and a state key of at most 255 bytes in version ${version}`, async () => {
      await assertTaken(
        version,
        lengths((type) => ({ type }), 0),
      )
      await assertTaken(
        version,
        lengths((stateKey) => ({ type: 'org.example.state', stateKey }), 0),
      )
    })

    it(`has a sender of at most 255 bytes in version ${version}`, async () => {
      const remote = await joinedRoom(scene, version)
      const rest = '@:evil.example'.length
      const senders = lengths((text) => ({ sender: scene.evil.user(text) }), rest)
      const joins = senders.map(([, draft]) => {
        const content = { membership: 'join' }
        return remote.event({ type: 'm.room.member', stateKey: draft.sender as string, content, ...draft })
      })
      assert.deepEqual(
        await taken(remote, joins),
        senders.map(([, , isTaken]) => isTaken),
      )
    })
  }

  for (const version of ['1', '2']) {
    it(`has an id of at most 255 bytes in version ${version}`, async () => {
      const rest = `$${version}:evil.example`.length
      await assertTaken(
        version,
        lengths((text) => ({ json: { event_id: `$${version}${text}:evil.example` } }), rest),
      )
    })
  }

  for (const version of NUMBERED) {
    it(`has a whole depth of 0 to 2^53 − 1 in version ${version}`, async () => {
      const depth = (text: string, isTaken: boolean) => [text, { json: { depth: raw(text) } }, isTaken] as const
      await assertTaken(version, [
        depth('0', true),
        depth('1', true),
        depth('9007199254740991', true),
        depth('9007199254740992', false),
        depth('-1', false),
        depth('1.5', false),
        depth('"1"', false),
        depth('null', false),
      ])
    })

    const isStrict = Number(version) >= 6
    it(`holds ${isStrict ? 'only whole numbers below 2^53' : 'any numbers'} in version ${version}`, async () => {
      const holds = (text: string, isTaken: boolean) =>
        [text, { content: { body: 'x', n: raw(text) } }, isTaken] as const
      await assertTaken(version, [
        holds('9007199254740991', true),
        holds('-9007199254740991', true),
        holds('9007199254740992', !isStrict),
        holds('-9007199254740992', !isStrict),
        holds('1.5', !isStrict),
        holds('1.0', !isStrict),
        holds('1e3', !isStrict),
        holds('-0', !isStrict),
      ])
    })
  }

  for (const [version, isTaken] of [
    ['9', true],
    ['10', false],
  ] as const) {
    it(`of power levels ${isTaken ? 'may' : 'may not'} hold numbers as text in version ${version}`, async () => {
      const levels = (users: JsonObject) => ({ type: 'm.room.power_levels', stateKey: '', content: { users } })
      const user = scene.evil.user('mallory')
      await assertTaken(version, [
        ['a number', levels({ [user]: 100 }), true],
        ['text', levels({ [user]: ' 100 ' }), isTaken],
        ['other text', levels({ [user]: '1e2' }), false],
        ['a fraction', levels({ [user]: raw('100.5') }), false],
      ])
    })
  }

  it('that comes by itself is refused for the same reasons', async () => {
    const { alice, evil, hearth } = scene
    const rules = ROOM_VERSIONS.get('11')!
    const roomId = await alice.createRoom({ preset: 'public_chat', room_version: '11' })
    const said: string[] = []
    for (let index = 0; index < 21; index += 1) said.push(await alice.send(roomId, `${index}`))
    const join = async (localpart: string, change: (template: JsonObject) => JsonObject) => {
      const path = `${e(roomId)}/${e(evil.user(localpart))}`
      const template = await evil.get(hearth, `${F1}/make_join/${path}?ver=11`)
      const event = hashAndSignEvent({ ...template.body.event, ...change(template.body.event) }, rules, evil.signer)
      const uri = `/_matrix/federation/v2/send_join/${e(roomId)}/${e(eventIdOf(event, rules))}`
      const { status, body } = await evil.put(hearth, uri, event)
      return status === 200 ? '200' : `${status} ${body.errcode}`
    }
    const ten = (auth: readonly JsonValue[]) => [...auth, ...said].slice(0, 10)
    const eleven = (auth: readonly JsonValue[]) => [...auth, ...said].slice(0, 11)
    const authOf = (template: JsonObject) => template['auth_events'] as unknown as JsonValue[]
    assert.deepEqual(
      {
        '20 previous events': await join('a', () => ({ prev_events: said.slice(0, 20) })),
        '21 previous events': await join('b', () => ({ prev_events: said })),
        '10 authorising events that do not authorise it': await join('c', (json) => ({
          auth_events: ten(authOf(json)),
        })),
        '11 authorising events': await join('d', (json) => ({ auth_events: eleven(authOf(json)) })),
        'a negative depth': await join('e', () => ({ depth: -1 })),
        'the greatest depth': await join('f', () => ({ depth: Number.MAX_SAFE_INTEGER })),
        'a greater depth': await join('g', () => ({ depth: raw('9007199254740992') })),
        'a reason of 60,000 bytes': await join('h', () => ({
          content: { membership: 'join', reason: 'x'.repeat(60_000) },
        })),
        'a reason of 66,000 bytes': await join('i', () => ({
          content: { membership: 'join', reason: 'x'.repeat(66_000) },
        })),
      },
      {
        '20 previous events': '200',
        '21 previous events': '400 M_BAD_JSON',
        '10 authorising events that do not authorise it': '403 M_FORBIDDEN',
        '11 authorising events': '400 M_BAD_JSON',
        'a negative depth': '400 M_BAD_JSON',
        'the greatest depth': '200',
        'a greater depth': '400 M_BAD_JSON',
        'a reason of 60,000 bytes': '200',
        'a reason of 66,000 bytes': '413 M_TOO_LARGE',
      },
    )
  })

  for (const version of ['1', '9', '11', '12']) {
    it(`of power levels names users by their ids in version ${version}`, async () => {
      const own = version === '12' ? {} : { [scene.evil.user('mallory')]: 100 }
      const levels = (name: string) => ({
        type: 'm.room.power_levels',
        stateKey: '',
        content: { users: { ...own, [name]: 1 } },
      })
      await assertTaken(version, [
        ['an id', levels('@any body:else.example:8448'), true],
        ['an id without a localpart', levels('@:else.example'), true],
        ['no sigil', levels('user:else.example'), false],
        ['no server', levels('@user'), false],
        ['no server name', levels('@user:else example'), false],
        ['an id of 255 bytes', levels(`@${'x'.repeat(241)}:else.example`), true],
        ['an id of 256 bytes', levels(`@${'x'.repeat(242)}:else.example`), false],
      ])
    })

    it(`may be of a user whose id was made before there were rules for it, in version ${version}`, async () => {
      const remote = await joinedRoom(scene, version)
      const names = ['', 'UPPER', 'with blanks', 'ünïcödé', 'a/b+c=d!#$', '"\\', '😀'].map((name) =>
        scene.evil.user(name),
      )
      const joins = names.map((name) => remote.member(name, 'join'))
      const said = names.map((name) => remote.send({ body: 'hello' }, name))
      assert.ok((await taken(remote, [...joins, ...said])).every(Boolean))
      const nobody = scene.evil.user('nul\0')
      const join = { type: 'm.room.member', stateKey: nobody, sender: nobody, content: { membership: 'join' } }
      assert.deepEqual(await taken(remote, [remote.event(join)]), [false])
    })
  }

  for (const version of ['5', '11']) {
    it(`may nest as deep as its size lets it in version ${version}, and is passed on as it came`, async () => {
      const remote = await joinedRoom(scene, version)
      const depth = 32_000
      const nested = JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`)
      const text = JSON.stringify(nested)
      // A number that must be kept as it is written makes a difference to how the whole is written.
      const deep = remote.add(remote.event({ content: { n: raw(version === '5' ? '1.50' : '1'), nested } }))
      const { alice, evil, hearth } = scene
      await deliver(scene, remote, deep)
      const reply = await evil.get(hearth, `${F1}/event/${e(deep.eventId)}`)
      assert.equal(reply.status, 200)
      assert.equal(JSON.stringify(reply.body.pdus[0].content.nested), text)
      assert.equal(JSON.stringify((await alice.get(room(remote.roomId, 'event', deep.eventId))).content.nested), text)
      const { rooms } = await alice.sync()
      assert.ok(JSON.stringify(rooms.join[remote.roomId].timeline).includes(text))
      assert.ok(JSON.stringify(await alice.history(remote.roomId)).includes(text))
      // What authorises others is kept at hand, and what waits for others is kept on disk.
      const levels = { users: { [remote.creator]: 100 }, users_default: 50, nested }
      await deliver(scene, remote, remote.put('m.room.power_levels', levels as JsonObject))
      await alice.send(remote.roomId, 'after it')
      const unknown = remote.event({})
      const waiting = await evil.send(hearth, [remote.event({ content: { nested }, prevEvents: [unknown] }).json])
      assert.equal(waiting.status, 200)
      await alice.leave(remote.roomId)
    })
  }
})

describe('a question', () => {
  it('for history is answered with at most 100 events, for missing ones with at most 20', async () => {
    const { alice, evil, hearth } = scene
    const remote = await joinedRoom(scene)
    for (let sent = 0; sent < 3; sent += 1) {
      const some = Array.from({ length: 40 }, (_, index) => remote.send({ body: `${sent} ${index}` }))
      await deliver(scene, remote, ...some)
    }
    const last = remote.tips[0]!.eventId
    const backfill = async (limit: number) => {
      const reply = await evil.get(hearth, `${F1}/backfill/${e(remote.roomId)}?v=${e(last)}&limit=${limit}`)
      assert.equal(reply.status, 200, JSON.stringify(reply.body))
      return reply.body.pdus.length
    }
    assert.deepEqual([await backfill(99), await backfill(100), await backfill(101)], [99, 100, 100])
    assert.equal(await backfill(Number.MAX_SAFE_INTEGER), 100)
    const missing = async (limit: number) => {
      const body = { earliest_events: [], latest_events: [last], limit }
      const reply = await evil.request(hearth, 'POST', `${F1}/get_missing_events/${e(remote.roomId)}`, body)
      assert.equal(reply.status, 200, JSON.stringify(reply.body))
      return reply.body.events.length
    }
    assert.deepEqual([await missing(19), await missing(20), await missing(21)], [19, 20, 20])
    await alice.leave(remote.roomId)
  })
})

describe('a request', () => {
  const put = (body: string | Uint8Array, uri = `${F1}/send/l${process.hrtime.bigint()}`): Promise<Reply> =>
    scene.evil.request(scene.hearth, 'PUT', uri, body)

  it('has a body of at most 12.5 MiB', async () => {
    const text = `"${'x'.repeat(500_000)}",`
    const body = (bytes: number) => {
      const texts = text.repeat(Math.floor((bytes - 32) / text.length))
      return `{"pdus":[],"edus":[],"x":[${texts}"${'x'.repeat(bytes - texts.length - 30)}"]}`
    }
    assert.equal(body(100).length, 100)
    assert.equal((await put(body(FEDERATION_BODY_BYTES_MAX))).status, 200)
    const over = await put(body(FEDERATION_BODY_BYTES_MAX + 1))
    assert.deepEqual([over.status, over.body.errcode], [413, 'M_TOO_LARGE'])
  })

  it('is told what is wrong with its body, path or method', async () => {
    const cases: readonly [Promise<Reply>, number, string][] = [
      [put('{"pdus":'), 400, 'M_NOT_JSON'],
      [put('\ufeff{}'), 400, 'M_NOT_JSON'],
      [put(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), 400, 'M_NOT_JSON'],
      [put('[]'), 400, 'M_BAD_JSON'],
      [put('{"pdus":[],"pdus":[]}'), 400, 'M_BAD_JSON'],
      [put('{"pdus":{}}'), 400, 'M_BAD_JSON'],
      [put('{"pdus":[]}', `${F1}/send`), 404, 'M_UNRECOGNIZED'],
      [scene.evil.request(scene.hearth, 'POST', `${F1}/send/x`, '{}'), 405, 'M_UNRECOGNIZED'],
      [put('{"pdus":[]}', `${F1}/send/${'x'.repeat(256)}`), 400, 'M_INVALID_PARAM'],
      [scene.evil.get(scene.hearth, `${F1}/query/directory`), 400, 'M_MISSING_PARAM'],
    ]
    for (const [asked, status, errcode] of cases) {
      const reply = await asked
      assert.deepEqual([reply.status, reply.body.errcode], [status, errcode], JSON.stringify(reply.body))
    }
    assert.equal((await put('{"pdus":[]}', `${F1}/send/${'x'.repeat(255)}`)).status, 200)
  })

  it('is refused for a room version that nobody knows, however long', async () => {
    const roomId = await scene.alice.createRoom({ preset: 'public_chat', room_version: '11' })
    const make = (ver: string) =>
      scene.evil.get(scene.hearth, `${F1}/make_join/${e(roomId)}/${e(scene.evil.user('x'))}?ver=${ver}`)
    for (const ver of ['10', 'x'.repeat(32), 'x'.repeat(33), '']) {
      const reply = await make(ver)
      assert.deepEqual([reply.status, reply.body.errcode], [400, 'M_INCOMPATIBLE_ROOM_VERSION'], ver)
      assert.equal(reply.body.room_version, '11')
    }
    assert.equal((await make('10&ver=11')).status, 200)
  })
})

describe('the Authorization header', () => {
  const uri = `${F1}/query/profile?user_id=${e('@alice:hearth.example')}`

  /** The answer's status to a header made of an honest signature. */
  async function status(header: (sig: string) => string): Promise<number> {
    const { evil, hearth } = scene
    const honest = evil.authorization(hearth, 'GET', uri)
    const sig = /sig="([^"]+)"/.exec(honest)?.[1] as string
    return (await evil.get(hearth, uri, { authorization: header(sig) })).status
  }

  const origin = 'origin="evil.example"'
  const destination = 'destination="hearth.example"'
  const key = 'key="ed25519:a_1"'
  const accepted: Readonly<Record<string, (sig: string) => string>> = {
    'as usual': (sig) => `X-Matrix ${origin},${destination},${key},sig="${sig}"`,
    'in any order': (sig) => `X-Matrix sig="${sig}",${key},${destination},${origin}`,
    'with names and the scheme in any case': (sig) => `x-MATRIX ORIGIN="evil.example",Key="ed25519:a_1",SIG="${sig}"`,
    'without quotes, colons included': (sig) => `X-Matrix origin=evil.example,key=ed25519:a_1,sig="${sig}"`,
    'with blanks around commas': (sig) => `X-Matrix  ${origin} ,\t${destination} , ${key},sig="${sig}"`,
    'with escapes': (sig) => `X-Matrix origin="evil\\.exa\\mple",${key},sig="${sig}"`,
    'without a destination': (sig) => `X-Matrix ${origin},${key},sig="${sig}"`,
    'with a padded signature': (sig) => `X-Matrix ${origin},${key},sig="${sig}=="`,
    'with what nobody knows': (sig) => `X-Matrix ${origin},${key},sig="${sig}",x=y,z="\\"a,b"`,
  }
  for (const [what, header] of Object.entries(accepted)) {
    it(`is accepted ${what}`, async () => assert.equal(await status(header), 200))
  }

  const refused: Readonly<Record<string, (sig: string) => string>> = {
    'for another server': (sig) => `X-Matrix ${origin},destination="other.example",${key},sig="${sig}"`,
    'for this server by another case': (sig) => `X-Matrix ${origin},destination="Hearth.example",${key},sig="${sig}"`,
    'of another server': (sig) => `X-Matrix origin="other.example",${key},sig="${sig}"`,
    'without an origin': (sig) => `X-Matrix ${key},sig="${sig}"`,
    'without a key': (sig) => `X-Matrix ${origin},sig="${sig}"`,
    'without a signature': () => `X-Matrix ${origin},${key}`,
    'with a parameter given twice': (sig) => `X-Matrix ${origin},${origin},${key},sig="${sig}"`,
    'with an open quote': (sig) => `X-Matrix ${origin},${key},sig="${sig}`,
    'with blanks for commas': (sig) => `X-Matrix ${origin} ${key} sig="${sig}"`,
    'with blanks around =': (sig) => `X-Matrix origin = "evil.example",${key},sig="${sig}"`,
    'with another scheme': (sig) => `Bearer ${origin},${key},sig="${sig}"`,
    'with a cut signature': (sig) => `X-Matrix ${origin},${key},sig="${sig.slice(0, -1)}"`,
    'with a name that is none': (sig) => `X-Matrix origin="evil example",${key},sig="${sig}"`,
    'with a name of 256 bytes': (sig) => `X-Matrix origin="${'x'.repeat(248)}.example",${key},sig="${sig}"`,
    'with another key': (sig) => `X-Matrix ${origin},key="ed25519:a_2",sig="${sig}"`,
    'with another algorithm': (sig) => `X-Matrix ${origin},key="rsa:a_1",sig="${sig}"`,
  }
  for (const [what, header] of Object.entries(refused)) {
    it(`is refused ${what}`, async () => assert.equal(await status(header), 401))
  }
})
