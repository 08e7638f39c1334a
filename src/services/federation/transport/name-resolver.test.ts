/** Names and SRV records, from a name server over UDP that is quick, late or silent. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { HostsFile } from '#services/federation/transport/hosts-file.ts'
import { NameResolver } from '#services/federation/transport/name-resolver.ts'
import { DnsServer } from '#test/federation/harness/dns-server.ts'

const NEVER = Number.POSITIVE_INFINITY
const LIMITS = { tryMs: 600, totalMs: 1_200, otherFamilyMs: 50 }
const V4 = { address: '192.0.2.1', family: 4 }
const V6 = { address: '2001:db8::1', family: 6 }
const AAAA = '20010db8000000000000000000000001'

let dns: DnsServer
let folder: string
/** What came to the system's own resolver. */
const system: string[] = []
let answerOfSystem: (host: string) => Promise<{ address: string; family: number }[]>
let resolver: NameResolver

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-names-'))
  writeFileSync(
    join(folder, 'hosts'),
    '# local\n10.0.0.7\tInside.example other # two names\n::1 inside.example\nodd line\n',
  )
  dns = await DnsServer.start()
  dns.names.set('both.example', { a: ['192.0.2.1'], aaaa: [AAAA] })
  dns.names.set('four.example', { a: ['192.0.2.1'] })
  dns.names.set('half.example', { a: ['192.0.2.1'], delayMsOf: { AAAA: NEVER } })
  dns.names.set('late.example', { a: ['192.0.2.1'], delayMs: 400 })
  dns.names.set('never.example', { delayMs: NEVER })
  dns.names.set('inside.example', { a: ['192.0.2.1'] })
  dns.names.set('_matrix-fed._tcp.both.example', { srv: { port: 8450, target: 'four.example' } })
  dns.names.set('_matrix-fed._tcp.never.example', { delayMs: NEVER })
  resolver = new NameResolver({
    nameServers: [dns.address],
    hosts: new HostsFile(join(folder, 'hosts')),
    limits: LIMITS,
    lookupBySystem: (host) => {
      system.push(host)
      return answerOfSystem(host)
    },
  })
  answerOfSystem = async (host) => {
    throw new Error(`ENOTFOUND ${host}`)
  }
})
after(async () => {
  await dns[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

describe('looking up names', () => {
  it('finds the addresses of both families, or of one', async () => {
    assert.deepEqual(await resolver.lookup('both.example'), [V6, V4])
    assert.deepEqual(await resolver.lookup('four.example'), [V4])
  })

  it('does not wait for the other family where its answer does not come', async () => {
    const begun = performance.now()
    assert.deepEqual(await resolver.lookup('half.example'), [V4])
    assert.ok(performance.now() - begun < LIMITS.tryMs)
  })

  it('takes late answers, also after quick ones', async () => {
    for (let count = 0; count < 20; count += 1) await resolver.lookup('both.example')
    assert.deepEqual(await resolver.lookup('late.example'), [V4])
    assert.deepEqual(
      dns.asked.filter((question) => question === 'A late.example'),
      ['A late.example'],
    )
  })

  it('gives up when no answer comes, and asks nobody else', async () => {
    const begun = performance.now()
    await assert.rejects(resolver.lookup('never.example'), /no answer to DNS questions about never\.example in time/)
    assert.ok(performance.now() - begun < 5 * LIMITS.totalMs)
    // Twice for each family.
    assert.ok(dns.askedAbout('never.example') <= 4)
    assert.deepEqual(system, [])
  })

  it('believes the hosts file before DNS, and heeds its changes', async () => {
    const path = join(folder, 'hosts')
    assert.deepEqual(await resolver.lookup('inside.EXAMPLE'), [
      { address: '10.0.0.7', family: 4 },
      { address: '::1', family: 6 },
    ])
    assert.deepEqual(await resolver.lookup('other'), [{ address: '10.0.0.7', family: 4 }])
    writeFileSync(path, '10.0.0.8 other\n')
    assert.deepEqual(await resolver.lookup('inside.example'), [V4])
    assert.deepEqual(await resolver.lookup('other'), [{ address: '10.0.0.8', family: 4 }])
    const without = new NameResolver({ nameServers: [dns.address], hosts: new HostsFile(join(folder, 'none')) })
    assert.deepEqual(await without.lookup('inside.example'), [V4])
  })

  it('asks the system last, for one name at a time and not for ever', async () => {
    await assert.rejects(resolver.lookup('nowhere.example'), /ENOTFOUND nowhere\.example/)
    const first = Promise.withResolvers<{ address: string; family: number }[]>()
    answerOfSystem = (host) => (host === 'slow' ? first.promise : Promise.resolve([V4]))
    system.length = 0
    const slow = resolver.lookup('slow')
    const waiting = resolver.lookup('quick')
    await assert.rejects(slow, /slow has no address in DNS/)
    await assert.rejects(waiting, /quick has no address in DNS/)
    assert.deepEqual(system, ['slow'])
    assert.deepEqual(await resolver.lookup('four.example'), [V4])
    first.resolve([])
    assert.deepEqual(await resolver.lookup('quick'), [V4])
    assert.deepEqual(system, ['slow', 'quick'])
  })
})

it('leaves names to the system where there are no name servers, which is no answer about SRV records', async () => {
  const gone = await DnsServer.start()
  await gone[Symbol.asyncDispose]()
  const alone = new NameResolver({
    nameServers: [gone.address],
    hosts: new HostsFile(join(folder, 'none')),
    limits: LIMITS,
    lookupBySystem: async () => [V6],
  })
  assert.deepEqual(await alone.lookup('four.example'), [V6])
  await assert.rejects(alone.resolveSrv('_matrix-fed._tcp.four.example'), { code: 'ECONNREFUSED' })
})

describe('SRV records', () => {
  it('are found, or are none', async () => {
    const [record] = await resolver.resolveSrv('_matrix-fed._tcp.both.example')
    assert.deepEqual([record?.name, record?.port, record?.priority, record?.weight], ['four.example', 8450, 0, 0])
    assert.deepEqual(await resolver.resolveSrv('_matrix-fed._tcp.four.example'), [])
  })

  it('are not waited for without end', async () => {
    const begun = performance.now()
    await assert.rejects(resolver.resolveSrv('_matrix-fed._tcp.never.example'), /in time/)
    assert.ok(performance.now() - begun < 5 * LIMITS.totalMs)
  })
})
