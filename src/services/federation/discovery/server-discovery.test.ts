import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ServerName } from '#core/ids.ts'
import { ServerDiscovery } from '#services/federation/discovery/server-discovery.ts'
import { orderSrv, type SrvRecord } from '#services/federation/discovery/srv.ts'
import type { WellKnownReply } from '#services/federation/discovery/well-known.ts'

const HOUR = 3_600_000
const RETRY = { baseMs: 60_000, maxMs: 10 * HOUR }

const json = (value: unknown, headers: Record<string, string> = {}, status = 200): WellKnownReply => ({
  status,
  headers,
  body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
})
const delegating = (name: string, headers = {}) => json({ 'm.server': name }, headers)
const NONE = json('', {}, 404)
const srv = (name: string, port: number, priority = 0, weight = 0): SrvRecord => ({ name, port, priority, weight })

/** A small Internet: the well-known files and SRV records of names, and a count of questions. */
function world(files: Record<string, WellKnownReply> = {}, records: Record<string, readonly SrvRecord[] | Error> = {}) {
  let now = 1_700_000_000_000
  const asked: string[] = []
  const discovery = new ServerDiscovery({
    overrides: { 'over.example': '127.0.0.1:41002', 'over.example:99': '[::1]', '10.1.1.1': 'other.example:7' },
    retry: RETRY,
    clock: () => now,
    random: () => 0.5,
    async fetchWellKnown(hostname) {
      asked.push(`https://${hostname}`)
      return files[hostname] ?? NONE
    },
    async resolveSrv(name) {
      asked.push(name)
      const found = records[name] ?? []
      if (found instanceof Error) throw found
      return found
    },
  })
  const find = async (name: string) =>
    (await discovery.discover(name as ServerName)).addresses.map(
      ({ host, port, tlsName, hostHeader }) => `${host} ${port} ${tlsName} ${hostHeader}`,
    )
  return { discovery, find, asked, files, records, pass: (ms: number) => (now += ms) }
}

describe('server discovery', () => {
  it('1: connects to IP literals, with 8448 or the port given', async () => {
    const { find, asked } = world()
    assert.deepEqual(await find('1.2.3.4'), ['1.2.3.4 8448 1.2.3.4 1.2.3.4'])
    assert.deepEqual(await find('1.2.3.4:443'), ['1.2.3.4 443 1.2.3.4 1.2.3.4:443'])
    assert.deepEqual(await find('[2001:db8::1]'), ['2001:db8::1 8448 2001:db8::1 [2001:db8::1]'])
    assert.deepEqual(await find('[2001:db8::1]:443'), ['2001:db8::1 443 2001:db8::1 [2001:db8::1]:443'])
    assert.deepEqual(asked, [])
  })

  it('2: connects to a name with a port directly', async () => {
    const { find, asked } = world()
    assert.deepEqual(await find('a.example:443'), ['a.example 443 a.example a.example:443'])
    assert.deepEqual(asked, [])
  })

  it('3.1: follows a delegation to an IP literal', async () => {
    const { find } = world({ a: delegating('1.2.3.4'), b: delegating('[::1]:5') })
    assert.deepEqual(await find('a'), ['1.2.3.4 8448 1.2.3.4 1.2.3.4'])
    assert.deepEqual(await find('b'), ['::1 5 ::1 [::1]:5'])
  })

  it('3.2: follows a delegation to a name with a port, without SRV', async () => {
    const { find, asked } = world({ a: delegating('m.example:443') })
    assert.deepEqual(await find('a'), ['m.example 443 m.example m.example:443'])
    assert.deepEqual(asked, ['https://a'])
  })

  it('3.3 to 3.5: looks for SRV records of the delegate, the new name first, then takes 8448', async () => {
    const files = { a: delegating('m.example') }
    const both = { '_matrix-fed._tcp.m.example': [srv('new', 1)], '_matrix._tcp.m.example': [srv('old', 2)] }
    assert.deepEqual(await world(files, both).find('a'), ['new 1 m.example m.example'])
    const old = { '_matrix._tcp.m.example': [srv('old', 2)] }
    assert.deepEqual(await world(files, old).find('a'), ['old 2 m.example m.example'])
    const { find, asked } = world(files)
    assert.deepEqual(await find('a'), ['m.example 8448 m.example m.example'])
    assert.deepEqual(asked, ['https://a', '_matrix-fed._tcp.m.example', '_matrix._tcp.m.example'])
  })

  it('4 to 6: does the same for the name itself where nothing is delegated', async () => {
    assert.deepEqual(await world({}, { '_matrix-fed._tcp.a': [srv('new', 1)] }).find('a'), ['new 1 a a'])
    assert.deepEqual(await world({}, { '_matrix._tcp.a': [srv('old', 1)] }).find('a'), ['old 1 a a'])
    assert.deepEqual(await world().find('a'), ['a 8448 a a'])
  })

  const invalid: [what: string, reply: WellKnownReply][] = [
    ['bad JSON', json('{')],
    ['no m.server', json({})],
    ['an m.server that is no text', json({ 'm.server': 5 })],
    ['an m.server that is no name', json({ 'm.server': 'a b' })],
    ['an m.server that is an address', json({ 'm.server': 'https://a.example' })],
    ['a list', json(['m.server'])],
    ['bad UTF-8', { status: 200, headers: {}, body: Buffer.from('7b226d2e736572766572223a22ff227d', 'hex') }],
    ['another status', json({ 'm.server': 'x.example' }, {}, 500)],
    ['nothing', { failure: 'timed out' }],
  ]
  for (const [what, reply] of invalid) {
    it(`takes the next step after ${what}`, async () => {
      const { find, discovery } = world({ a: reply })
      assert.deepEqual(await find('a'), ['a 8448 a a'])
      const { steps } = await discovery.discover('a' as ServerName)
      assert.deepEqual([steps[0]?.step, steps[0]?.ok], ['well-known', false])
    })
  }

  it('asks for a delegation once: what a delegate delegates is nobody’s business', async () => {
    const { find, asked } = world({ a: delegating('b'), b: delegating('c') })
    assert.deepEqual(await find('a'), ['b 8448 b b'])
    assert.ok(!asked.includes('https://b'))
  })

  it('skips everything for overridden names, which keep their name', async () => {
    const { find, asked } = world()
    assert.deepEqual(await find('over.example'), ['127.0.0.1 41002 over.example over.example'])
    assert.deepEqual(await find('over.example:99'), ['::1 8448 over.example over.example:99'])
    assert.deepEqual(await find('10.1.1.1'), ['other.example 7 10.1.1.1 10.1.1.1'])
    assert.deepEqual(asked, [])
  })

  it('finds nothing for what is no name, no port, or a service that is denied', async () => {
    const { find } = world({}, { '_matrix-fed._tcp.a': [srv('.', 0)], '_matrix-fed._tcp.b': [srv('', 0)] })
    for (const name of ['a_b', '', 'a:65536', 'a:0', '1.2.3.4:99999', 'a', 'b', 'constructor:0']) {
      assert.deepEqual(await find(name), [], name)
    }
    assert.deepEqual(await find('constructor'), ['constructor 8448 constructor constructor'])
  })

  it('goes on where DNS has no answer, and says so', async () => {
    const { find, discovery } = world({}, { '_matrix-fed._tcp.a': new Error('SERVFAIL') })
    assert.deepEqual(await find('a'), ['a 8448 a a'])
    const { steps } = await discovery.discover('a' as ServerName)
    assert.ok(steps.some(({ step, ok, text }) => step === 'srv' && !ok && text.includes('SERVFAIL')))
  })

  it('tries targets by priority, then by weight, eight at most', () => {
    const records = [srv('c', 1, 20), srv('a', 1, 10, 0), srv('b', 1, 10, 98)]
    const names = (random: number) => orderSrv(records, () => random).map(({ name }) => name)
    assert.deepEqual(names(0), ['a', 'b', 'c'])
    assert.deepEqual(names(0.02), ['b', 'a', 'c'])
    assert.deepEqual(names(0.999), ['b', 'a', 'c'])
    assert.equal(
      orderSrv(
        Array.from({ length: 9 }, () => srv('a', 1)),
        () => 0,
      ).length,
      8,
    )
  })
})

describe('what discovery learned', () => {
  const kept: [what: string, headers: Record<string, string>, ms: number][] = [
    ['24 hours by default', {}, 24 * HOUR],
    ['as long as max-age says', { 'cache-control': 'public, Max-Age=7200' }, 2 * HOUR],
    ['5 minutes at least', { 'cache-control': 'no-store, max-age=7200' }, 300_000],
    ['48 hours at most', { 'cache-control': 'max-age=99999999' }, 48 * HOUR],
    ['until it expires', { expires: new Date(1_700_000_000_000 + HOUR).toUTCString() }, HOUR],
    ['5 minutes if it expired', { expires: '0' }, 300_000],
    ['by max-age rather than by expires', { 'cache-control': 'max-age=3600', expires: '0' }, HOUR],
  ]
  for (const [what, headers, ms] of kept) {
    it(`is kept ${what}`, async () => {
      const { find, files, pass } = world({ a: delegating('b:1', headers) })
      await find('a')
      files['a'] = delegating('c:1')
      pass(ms - 1)
      assert.deepEqual(await find('a'), ['b 1 b b:1'])
      pass(1)
      assert.deepEqual(await find('a'), ['c 1 c c:1'])
    })
  }

  it('is asked for again after failures at growing intervals, an hour at most', async () => {
    const { find, asked, pass } = world()
    const intervals: number[] = []
    await find('a')
    for (let round = 0; round < 8; round += 1) {
      let minutes = 0
      const before = asked.filter((name) => name === 'https://a').length
      while (asked.filter((name) => name === 'https://a').length === before) {
        pass(60_000)
        minutes += 1
        await find('a')
      }
      intervals.push(minutes)
    }
    assert.deepEqual(intervals, [1, 2, 4, 8, 16, 32, 60, 60])
  })

  it('is asked for once by many at once', async () => {
    const { find, asked } = world({ a: delegating('m.example') })
    await Promise.all(Array.from({ length: 50 }, () => find('a')))
    assert.equal(asked.length, 3)
  })

  it('is looked up again when nobody answered there', async () => {
    const { find, files, discovery } = world({ a: delegating('b:1') })
    await find('a')
    files['a'] = delegating('c:1')
    discovery.forget('a' as ServerName)
    discovery.forget('never-seen' as ServerName)
    assert.deepEqual(await find('a'), ['c 1 c c:1'])
  })
})
