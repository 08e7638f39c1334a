/** The parts of `npm run twin` that need no servers: what is played, how answers are compared, what is listed. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { discoverEndpoints } from '#kit/discover.ts'
import { compareOutcomes } from '#test/twin/compare.ts'
import { Ledger, parseDifferences } from '#test/twin/differences.ts'
import { generate } from '#test/twin/generate.ts'
import { Normaliser } from '#test/twin/normalise.ts'
import { OPERATIONS } from '#test/twin/operations/table.ts'
import type { Outcome } from '#test/twin/side.ts'

/** Operations of the specification that are served and not played, and why. */
const NOT_PLAYED: Readonly<Record<string, string>> = {
  getEvents: 'Synapse shows the old stream in the form of 2014, Hearth in that of today',
}

const outcome = (body: unknown, status = 200): Outcome => ({ status, contentType: 'application/json', raw: body, body })
const keysOf = (hearth: Outcome, synapse: Outcome) =>
  compareOutcomes({ operation: 'op', variant: '' }, hearth, synapse).map(({ key }) => key)

describe('what is played', () => {
  it('is every operation for clients that is served', async () => {
    const endpoints = (await discoverEndpoints()).filter(({ file }) => file.startsWith('client/'))
    const served = new Map(endpoints.map(({ endpoint }) => [endpoint.spec, endpoint]))
    const played = new Set(OPERATIONS.map(({ id }) => id))
    const forgotten = [...served.keys()].filter((id) => id !== null && !played.has(id) && !(id in NOT_PLAYED))
    assert.deepEqual(forgotten, [], 'give them a row in test/twin/operations')
    for (const { id, method, path } of OPERATIONS) {
      const endpoint = served.get(id)
      assert.ok(endpoint, `${id} is not served`)
      assert.equal(endpoint.method, method, id)
      assert.ok(endpoint.paths.includes(path), `${id}: ${path}`)
    }
  })

  it('hangs on the seed alone', () => {
    const text = (seed: number) => JSON.stringify(generate(seed))
    assert.equal(text(5), text(5))
    assert.notEqual(text(5), text(6))
  })
})

describe('answers', () => {
  it('differ by verdict, and then by nothing else', () => {
    assert.deepEqual(keysOf(outcome({ a: 1 }), outcome({ errcode: 'M_FORBIDDEN' }, 403)), ['op: 200 / 403 M_FORBIDDEN'])
  })

  it('differ by fields, types, values, entries of lists and their order', () => {
    assert.deepEqual(keysOf(outcome({ a: 1, b: 1 }), outcome({ a: '1', c: 1 })), [
      'op: a number / string',
      'op: b only hearth',
      'op: c only synapse',
    ])
    assert.deepEqual(keysOf(outcome({ list: ['x', 'y'] }), outcome({ list: ['y', 'x', 'z'] })), [
      'op: list[] only synapse',
      'op: list[] before [] order',
    ])
  })

  it('of events have one name wherever the event stands', () => {
    const event = (content: object) => ({ type: 'm.room.topic', sender: '@a:b', event_id: '$1', content })
    const nested = (content: object) => outcome({ rooms: { x: { events: [event(content)] } } })
    assert.deepEqual(keysOf(nested({ topic: 'a' }), nested({ topic: 'b' })), [
      'op: event[m.room.topic].content.topic differs',
    ])
  })

  it('are the same but for what servers choose', () => {
    const [ours, theirs] = [new Normaliser(), new Normaliser()]
    ours.know('!room-of-ours:twin.example', '<room1>')
    theirs.know('!room-of-theirs:twin.example', '<room1>')
    const answer = (room: string, ts: number, next: string) => ({
      next_batch: next,
      joined_rooms: [room],
      event: { origin_server_ts: ts, content: { origin_server_ts: 5 } },
    })
    assert.deepEqual(
      ours.normalise(answer('!room-of-ours:twin.example', 1, 's1')),
      theirs.normalise(answer('!room-of-theirs:twin.example', 2, 's2_3')),
    )
  })
})

describe('the list of differences', () => {
  it('is read, and each entry has its reason', () => {
    const text = readFileSync(new URL('twin/differences.txt', import.meta.url), 'utf8')
    assert.ok(parseDifferences(text).length > 0)
  })

  it('refuses entries without a reason, or given twice', () => {
    assert.throws(() => parseDifferences('a: b\n'), /reason/)
    assert.throws(() => parseDifferences('a: b\n    because\n'), /begin with "rule: "/)
    assert.throws(() => parseDifferences('a: b\n    rule: x\na: b\n    rule: y\n'), /listed twice/)
  })

  it('knows what it lists, and what it lists in vain', () => {
    const ledger = new Ledger(parseDifferences('op: a* only hearth\nop: b\n    choice: so\n'))
    assert.equal(ledger.lists('op: a.b.c only hearth'), true)
    assert.equal(ledger.lists('op: c'), false)
    assert.deepEqual(
      ledger.unused.map(({ pattern }) => pattern),
      ['op: b'],
    )
  })
})
