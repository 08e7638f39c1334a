/** Unread counts of /sync against a naive model: random conversations under a table of push rules. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Api, room, V3 } from '#test/system/harness/api.ts'
import { FoldedClient, type SyncChoice } from '#test/system/harness/folded-client.ts'
import { Hearth } from '#test/system/harness/hearth.ts'
import { Random, seed } from '#test/system/harness/random.ts'

const STEPS = 70

type Outcome = { readonly notify: boolean; readonly highlight: boolean }
const NOTHING: Outcome = { notify: false, highlight: false }
const PLAIN: Outcome = { notify: true, highlight: false }
const HIGHLIGHT: Outcome = { notify: true, highlight: true }

type Said = {
  readonly eventId: string
  readonly sender: 'owner' | 'bob' | 'reader'
  readonly kind: 'message' | 'notice' | 'edit' | 'reaction'
  readonly thread: string | null
  readonly mention: boolean
  readonly roomMention: boolean
  readonly keyword: boolean
  /** What it edits or reacts to. */
  readonly target: Said | null
  redacted: boolean
}

/** What the rules of the specification make of an event, one after the other, as a reader of the text would. */
type Rules = (said: Said) => Outcome

const overrides: Rules = (said) => {
  if (said.kind === 'notice') return NOTHING
  if (said.mention) return HIGHLIGHT
  if (said.roomMention && said.sender === 'owner') return HIGHLIGHT
  return PLAIN
}
const isDecidedByOverride = (said: Said) =>
  overrides(said) !== PLAIN || said.kind === 'reaction' || said.kind === 'edit'
const byDefault: Rules = (said) => {
  if (isDecidedByOverride(said)) return overrides(said) === PLAIN ? NOTHING : overrides(said)
  return PLAIN
}

type Setting = {
  readonly name: string
  set(reader: Api, roomId: string): Promise<unknown>
  readonly rules: Rules
}
const RULES = `${V3}/pushrules/global`
const SETTINGS: readonly Setting[] = [
  { name: 'the default rules', set: async () => {}, rules: byDefault },
  {
    name: 'a keyword',
    set: (reader) =>
      reader.put(`${RULES}/content/soup`, { pattern: 'soup', actions: ['notify', { set_tweak: 'highlight' }] }),
    rules: (said) => (!isDecidedByOverride(said) && said.keyword ? HIGHLIGHT : byDefault(said)),
  },
  {
    name: 'a room with mentions only',
    set: (reader, roomId) => reader.put(`${RULES}/room/${encodeURIComponent(roomId)}`, { actions: [] }),
    rules: (said) => (isDecidedByOverride(said) ? byDefault(said) : NOTHING),
  },
  {
    name: 'a muted room',
    set: (reader, roomId) =>
      reader.put(`${RULES}/override/${encodeURIComponent(roomId)}`, {
        conditions: [{ kind: 'event_match', key: 'room_id', pattern: roomId }],
        actions: [],
      }),
    rules: () => NOTHING,
  },
  {
    name: 'a muted sender',
    set: (reader) =>
      reader.put(`${RULES}/sender/${encodeURIComponent(reader.userId.replace(/^@reader/, '@bob'))}`, { actions: [] }),
    rules: (said) => (!isDecidedByOverride(said) && said.sender === 'bob' ? NOTHING : byDefault(said)),
  },
  {
    name: 'no notifications at all',
    set: (reader) => reader.put(`${RULES}/override/.m.rule.master/enabled`, { enabled: true }),
    rules: () => NOTHING,
  },
  {
    name: 'room mentions switched off',
    set: (reader) => reader.put(`${RULES}/override/.m.rule.is_room_mention/enabled`, { enabled: false }),
    rules: (said) => byDefault({ ...said, roomMention: false }),
  },
  {
    name: 'an ignored user',
    set: (reader) =>
      reader.put(`${V3}/user/${encodeURIComponent(reader.userId)}/account_data/m.ignored_user_list`, {
        ignored_users: { [reader.userId.replace(/^@reader/, '@bob')]: {} },
      }),
    rules: (said) => (said.sender === 'bob' ? NOTHING : byDefault(said)),
  },
]

const THREADS: SyncChoice = {
  name: 'counts by thread',
  filter: { room: { timeline: { limit: 5, unread_thread_notifications: true } } },
  useStateAfter: false,
}
const TOTAL: SyncChoice = { name: 'counts in all', filter: { room: { timeline: { limit: 5 } } }, useStateAfter: false }

describe('unread counts', () => {
  let hearth: Hearth
  const conversations: Conversation[] = []
  before(async () => {
    hearth = await Hearth.start()
  })
  after(() => hearth[Symbol.asyncDispose]())

  for (const [index, setting] of SETTINGS.entries()) {
    it(`with ${setting.name}`, async (test) => {
      const random = new Random(seed() + index)
      test.diagnostic(`HEARTH_TEST_SEED=${seed()}`)
      const conversation = await Conversation.begin(hearth.url, `${index}`, setting, random)
      for (let step = 0; step < STEPS; step++) {
        const did = await conversation.step()
        await conversation.check(`step ${step}: ${did}`)
      }
      conversations.push(conversation)
    })
  }

  it('after a restart, which remembers no counts', async () => {
    await hearth.stop()
    await hearth.boot()
    for (const conversation of conversations) await conversation.check('after the restart')
  })
})

class Conversation {
  readonly #roomId: string
  readonly #people: Readonly<Record<Said['sender'], Api>>
  readonly #phone: Api
  readonly #clients: readonly FoldedClient[]
  readonly #rules: Rules
  readonly #random: Random
  readonly #said: Said[] = []
  /** How far was read: by index into `#said`, everywhere, and by thread (`main` for what is in none). */
  #readAll = -1
  readonly #readThread = new Map<string, number>()

  private constructor(
    roomId: string,
    people: Readonly<Record<Said['sender'], Api>>,
    phone: Api,
    clients: readonly FoldedClient[],
    rules: Rules,
    random: Random,
  ) {
    this.#roomId = roomId
    this.#people = people
    this.#phone = phone
    this.#clients = clients
    this.#rules = rules
    this.#random = random
  }

  static async begin(url: string, suffix: string, setting: Setting, random: Random): Promise<Conversation> {
    const anyone = new Api(url)
    const [owner, bob, reader] = await anyone.registerAll(['owner', 'bob', 'reader'].map((name) => name + suffix))
    const phone = await anyone.login(reader!.userId)
    const roomId = await owner!.createRoom({ preset: 'public_chat' })
    await bob!.join(roomId)
    await reader!.join(roomId)
    await setting.set(reader!, roomId)
    const clients = [new FoldedClient(reader!, THREADS), new FoldedClient(await anyone.login(reader!.userId), TOTAL)]
    const people = { owner: owner!, bob: bob!, reader: reader! }
    return new Conversation(roomId, people, phone, clients, setting.rules, random)
  }

  /** Does something, and says what. */
  async step(): Promise<string> {
    const roll = this.#random.between(1, 20)
    if (roll <= 13 || this.#said.length === 0) return this.#say(this.#random.pick(['owner', 'bob'] as const))
    if (roll === 14) return this.#say('reader')
    if (roll === 15) return this.#redact()
    return this.#read()
  }

  async check(when: string): Promise<void> {
    const expected = this.#expected()
    for (const client of this.#clients) {
      await client.sync()
      const fresh = new FoldedClient(client.api, client.choice)
      await fresh.sync()
      for (const [name, { rooms }] of Object.entries({ incremental: client, fresh })) {
        const { notification_count, highlight_count, threads } = rooms.get(this.#roomId)!.unread
        const counted =
          client.choice === THREADS
            ? { main: [notification_count, highlight_count], threads: nonZero(threads) }
            : [notification_count, highlight_count]
        const wanted = client.choice === THREADS ? expected : total(expected)
        assert.deepEqual(counted, wanted, `${when}, ${client.choice.name}, ${name}`)
      }
    }
  }

  async #say(sender: Said['sender']): Promise<string> {
    const random = this.#random
    const picked = this.#said.length > 0 && random.between(1, 3) === 1 ? random.pick(this.#said) : null
    const target = picked?.redacted === true ? null : picked
    const kind =
      target === null
        ? random.pick(['message', 'message', 'notice'] as const)
        : random.pick(['edit', 'reaction'] as const)
    const inThread = target === null && random.between(1, 3) === 1
    const roots = this.#said.filter((said) => said.thread === null && !said.redacted && said.kind === 'message')
    const root = inThread && roots.length > 0 ? random.pick(roots.slice(0, 2)).eventId : null
    const [mention, roomMention, keyword] = [1, 2, 3].map(() => kind !== 'reaction' && random.between(1, 5) === 1)
    const people = this.#people
    const content =
      kind === 'reaction'
        ? { 'm.relates_to': { rel_type: 'm.annotation', event_id: target!.eventId, key: `${this.#said.length}` } }
        : {
            msgtype: kind === 'notice' ? 'm.notice' : 'm.text',
            body: keyword ? 'the soup, please' : 'hello',
            'm.mentions': {
              ...(mention ? { user_ids: [people.reader.userId] } : {}),
              ...(roomMention ? { room: true } : {}),
            },
            ...(kind === 'edit' ? { 'm.new_content': { msgtype: 'm.text', body: 'other' } } : {}),
            ...(kind === 'edit' ? { 'm.relates_to': { rel_type: 'm.replace', event_id: target!.eventId } } : {}),
            ...(root === null ? {} : { 'm.relates_to': { rel_type: 'm.thread', event_id: root } }),
          }
    const type = kind === 'reaction' ? 'm.reaction' : 'm.room.message'
    const eventId = await people[sender].sendEvent(this.#roomId, type, content)
    const thread = target === null ? root : target.thread
    const said = {
      eventId,
      sender,
      kind,
      thread,
      mention: mention!,
      roomMention: roomMention!,
      keyword: keyword!,
      target,
    }
    this.#said.push({ ...said, redacted: false })
    // Who sends has read what was said there before.
    if (sender === 'reader') this.#readThread.set(thread ?? 'main', this.#said.length - 1)
    return `${sender} sends ${JSON.stringify({ ...said, target: target?.eventId })}`
  }

  async #redact(): Promise<string> {
    const said = this.#random.pick(this.#said)
    await this.#people.owner.redact(this.#roomId, said.eventId)
    said.redacted = true
    return `${said.eventId} is redacted`
  }

  /** Read on one device, seen on the others. */
  async #read(): Promise<string> {
    // What is redacted relates to nothing any more: it is in no thread.
    const related = this.#said.filter((said) => !said.redacted && said.target?.redacted !== true)
    if (related.length === 0) return 'nothing to read'
    const said = this.#random.pick(related.slice(-8))
    const index = this.#said.indexOf(said)
    const type = this.#random.pick(['m.read', 'm.read.private'] as const)
    const thread = this.#random.pick([null, said.thread ?? 'main'])
    const body = thread === null ? {} : { thread_id: thread }
    await this.#phone.post(room(this.#roomId, 'receipt', type, said.eventId), body)
    if (thread === null) this.#readAll = Math.max(this.#readAll, index)
    else this.#readThread.set(thread, Math.max(this.#readThread.get(thread) ?? -1, index))
    return `${type} of ${said.eventId} (${index}) in ${thread}`
  }

  #expected(): Counts {
    const counts = new Map<string, [number, number]>([['main', [0, 0]]])
    for (const [index, said] of this.#said.entries()) {
      const thread = said.thread ?? 'main'
      const isRead = index <= this.#readAll || index <= (this.#readThread.get(thread) ?? -1)
      if (isRead || said.redacted || said.sender === 'reader') continue
      const { notify, highlight } = this.#rules(said)
      const [n, h] = counts.get(thread) ?? [0, 0]
      counts.set(thread, [n + (notify ? 1 : 0), h + (highlight ? 1 : 0)])
    }
    const main = counts.get('main')!
    counts.delete('main')
    const threads = [...counts].filter(([, [n]]) => n > 0)
    return { main, threads: Object.fromEntries(threads) }
  }
}

type Counts = { readonly main: [number, number]; readonly threads: Readonly<Record<string, [number, number]>> }

function nonZero(
  threads: Readonly<Record<string, { notification_count: number; highlight_count: number }>>,
): Counts['threads'] {
  const counts = Object.entries(threads).map(
    ([root, count]) => [root, [count.notification_count, count.highlight_count]] as const,
  )
  return Object.fromEntries(counts.filter(([, [n]]) => n > 0)) as Counts['threads']
}

function total({ main, threads }: Counts): [number, number] {
  return Object.values(threads).reduce(([n, h], [tn, th]) => [n + tn, h + th], main)
}
