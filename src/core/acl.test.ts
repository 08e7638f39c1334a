import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileServerAcl } from '#core/acl.ts'
import type { JsonObject } from '#core/json/value.ts'

const allows = (content: JsonObject, server: string) => compileServerAcl(content).allows(server)

test('denied servers are kept out, others need to be allowed', () => {
  const content = { allow: ['*.good.com', 'x?y'], deny: ['bad.good.com', '*evil*'] }
  assert.equal(allows(content, 'a.good.com'), true)
  assert.equal(allows(content, 'bad.good.com'), false)
  assert.equal(allows(content, 'evil.good.com'), false)
  assert.equal(allows(content, 'good.com'), false)
  assert.equal(allows(content, 'xzy'), true)
  assert.equal(allows({ allow: ['*'], deny: ['mat?ix.*', 'pre*'] }, 'matrix.org'), false)
  assert.equal(allows({ allow: ['*'], deny: ['pre*'] }, 'prefix'), false)
  assert.equal(allows({ allow: ['*'], deny: ['pre*'] }, 'a.prefix'), true)
})

test('the port is not considered', () => {
  for (const server of ['evil.com', 'evil.com:8448', 'evil.com:1234']) {
    assert.equal(allows({ allow: ['*'], deny: ['evil.com'] }, server), false)
  }
  assert.equal(allows({ allow: ['*'], deny: ['evil.com:8448'] }, 'evil.com:8448'), true)
})

test('case is not considered, in ASCII', () => {
  assert.equal(allows({ allow: ['*'], deny: ['EVIL.com'] }, 'evil.COM'), false)
  assert.equal(allows({ allow: ['GOOD.*'] }, 'good.org'), true)
  assert.equal(allows({ allow: ['\u212aatze.org'] }, 'katze.org'), false)
})

test('IP address literals can be denied as such', () => {
  for (const server of ['1.2.3.4', '1.2.3.4:1', '[::1]', '[::1]:8448']) {
    assert.equal(allows({ allow: ['*'], allow_ip_literals: false }, server), false, server)
    assert.equal(allows({ allow: ['*'], allow_ip_literals: true }, server), true, server)
    assert.equal(allows({ allow: ['*'], allow_ip_literals: 'no' }, server), true, server)
  }
  assert.equal(allows({ allow: ['*'], allow_ip_literals: false }, 'one.2.3.4'), true)
  assert.equal(allows({ allow: ['[2001:DB8::*'] }, '[2001:db8::1]'), true)
})

test('S54: content of wrong types counts as absent, so that without allow nobody takes part', () => {
  for (const allow of [null, '*', 1, {}, { 0: '*' }, [null, 1, ['*'], {}]]) {
    assert.equal(allows({ allow }, 'example.org'), false, JSON.stringify(allow))
  }
  assert.equal(allows({}, 'example.org'), false)
  assert.equal(allows({ allow: ['*', 1], deny: 'example.org' }, 'example.org'), true)
})

test('what is no server name is never allowed', () => {
  for (const server of ['', 'a b', 'é.org', 'x:y']) assert.equal(allows({ allow: ['*'] }, server), false, server)
})

test('S45: 10,000 checks of a list of 65 KB take less than a second', () => {
  const deny = Array.from({ length: 3000 }, (_, i) => (i % 3 === 0 ? `*.evil${i}.com` : `evil${i}.example.com`))
  const hostile = Array.from({ length: 4000 }, (_, i) => `*a?${i.toString(36)}*z`)
  assert.ok(JSON.stringify(deny).length < 65_536 && JSON.stringify(hostile).length < 65_536)
  const start = process.cpuUsage().user
  const acl = compileServerAcl({ allow: ['*'], deny })
  for (let i = 0; i < 10_000; i++) assert.equal(acl.allows(`matrix${i}.example.org`), true)
  const hostileAcl = compileServerAcl({ allow: ['*'], deny: hostile })
  for (let i = 0; i < 10_000; i++) assert.equal(hostileAcl.allows(`matrix${i % 100}.example.org`), true)
  assert.ok(process.cpuUsage().user - start < 2_000_000)
})
