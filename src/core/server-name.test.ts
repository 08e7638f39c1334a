import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isServerName, parseServerName } from '#core/server-name.ts'

test('the examples of the specification (appendices, "Server Name")', () => {
  assert.deepEqual(parseServerName('matrix.org'), { kind: 'dns', hostname: 'matrix.org', port: null })
  assert.deepEqual(parseServerName('matrix.org:8888'), { kind: 'dns', hostname: 'matrix.org', port: 8888 })
  assert.deepEqual(parseServerName('1.2.3.4'), { kind: 'ipv4', hostname: '1.2.3.4', port: null })
  assert.deepEqual(parseServerName('1.2.3.4:1234'), { kind: 'ipv4', hostname: '1.2.3.4', port: 1234 })
  assert.deepEqual(parseServerName('[1234:5678::abcd]'), { kind: 'ipv6', hostname: '1234:5678::abcd', port: null })
  assert.deepEqual(parseServerName('[1234:5678::abcd]:5678'), { kind: 'ipv6', hostname: '1234:5678::abcd', port: 5678 })
})

test('J18: names are read by the grammar of Matrix, not as URLs are', () => {
  const kinds = { localhost: 'dns', 'EXAMPLE.org': 'dns', '0x7f.1': 'dns', '2130706433': 'dns', '127.1': 'dns' }
  for (const [name, kind] of Object.entries(kinds)) assert.equal(parseServerName(name)?.kind, kind, name)
  const refused = [
    '',
    ':8448',
    'example.org:',
    'example.org:123456',
    'example.org:80:80',
    'example.org:8a',
    'example.org:-1',
    'example.org:+1',
    'exa mple.org',
    'example.org ',
    'exämple.org',
    '１２７.0.0.1',
    'example。org',
    'user@example.org',
    'example.org/path',
    'example_org',
    'example.org\0',
    'example.org\n',
    '%65xample.org',
    '256.1.1.1',
    '1.2.3.0004',
    `${'a'.repeat(256)}`,
  ]
  for (const name of refused) assert.equal(isServerName(name), false, JSON.stringify(name))
  assert.equal(isServerName('a'.repeat(255)), true)
})

test('J18: IPv6 addresses are those of RFC 3513', () => {
  const accepted = ['::', '::1', '1::', '1:2:3:4:5:6:7:8', '1::8', '::ffff:1.2.3.4', '1:2:3:4:5:6:1.2.3.4', 'FE80::aB']
  for (const address of accepted) assert.equal(isServerName(`[${address}]`), true, address)
  const refused = [
    '',
    ':',
    ':::',
    '1',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4::5:6:7:8',
    '1::2::3',
    '12345::',
    'g::',
    '::1.2.3',
    '::1.2.3.256',
    '1.2.3.4::',
    '1:2:3:4:5:6:7:1.2.3.4',
    'fe80::1%eth0',
    ' ::1',
  ]
  for (const address of refused) assert.equal(isServerName(`[${address}]`), false, address)
  for (const name of ['[::1', '::1', '[::1]x', '[::1]:', '[::1]]', '[[::1]]'])
    assert.equal(isServerName(name), false, name)
})
