import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addressPolicy } from '#services/federation/transport/address-policy.ts'

/** S61: first and last address of each denied range, and the nearest on either side that are not in it. */
const EDGES: readonly (readonly [range: string, inside: readonly string[], outside: readonly string[]])[] = [
  ['0.0.0.0/8', ['0.0.0.0', '0.255.255.255'], ['1.0.0.0']],
  ['10/8', ['10.0.0.0', '10.255.255.255'], ['9.255.255.255', '11.0.0.0']],
  ['100.64/10', ['100.64.0.0', '100.127.255.255'], ['100.63.255.255', '100.128.0.0']],
  ['127/8', ['127.0.0.0', '127.255.255.255'], ['126.255.255.255', '128.0.0.0']],
  ['169.254/16', ['169.254.0.0', '169.254.169.254'], ['169.253.255.255', '169.255.0.0']],
  ['172.16/12', ['172.16.0.0', '172.31.255.255'], ['172.15.255.255', '172.32.0.0']],
  ['192.0.0/24', ['192.0.0.0', '192.0.0.255'], ['191.255.255.255', '192.0.1.0']],
  ['192.0.2/24', ['192.0.2.0', '192.0.2.255'], ['192.0.1.255', '192.0.3.0']],
  ['192.88.99/24', ['192.88.99.0', '192.88.99.255'], ['192.88.98.255', '192.88.100.0']],
  ['192.168/16', ['192.168.0.0', '192.168.255.255'], ['192.167.255.255', '192.169.0.0']],
  ['198.18/15', ['198.18.0.0', '198.19.255.255'], ['198.17.255.255', '198.20.0.0']],
  ['198.51.100/24', ['198.51.100.0', '198.51.100.255'], ['198.51.99.255', '198.51.101.0']],
  ['203.0.113/24', ['203.0.113.0', '203.0.113.255'], ['203.0.112.255', '203.0.114.0']],
  ['224/4 and 240/4', ['224.0.0.0', '239.255.255.255', '240.0.0.0', '255.255.255.255'], ['223.255.255.255']],
  ['::/96', ['::', '::1', '::7f00:1', '::127.0.0.1'], ['::1:0:0:0']],
  ['::ffff:0:0/96', ['::ffff:127.0.0.1', '::ffff:8.8.8.8', '::ffff:7f00:1'], ['::fffe:8.8.8.8']],
  [
    '::ffff:0:0:0/96',
    ['::ffff:0:127.0.0.1', '::ffff:0:0:0', '::ffff:0:ffff:ffff'],
    ['::fffe:ffff:0:0', '::ffff:1:0:0'],
  ],
  ['64:ff9b::/96', ['64:ff9b::7f00:1', '64:ff9b::8.8.8.8'], ['64:ff9c::1', '64:ff9b::1:0:0']],
  ['64:ff9b:1::/48', ['64:ff9b:1::', '64:ff9b:1:ffff::127.0.0.1'], ['64:ff9b:0:1::', '64:ff9b:2::']],
  ['100::/64', ['100::', '100::ffff:ffff:ffff:ffff'], ['ff:ffff::']],
  ['100:0:0:1::/64', ['100:0:0:1::', '100:0:0:1:ffff:ffff:ffff:ffff'], ['100:0:0:2::']],
  ['2001::/32', ['2001::1', '2001:0:ffff::1'], ['2001:1::1', '2000:ffff::1']],
  ['2001:2::/48', ['2001:2::', '2001:2:0:ffff::1'], ['2001:1:ffff::', '2001:2:1::']],
  ['2001:10::/28', ['2001:10::', '2001:1f:ffff::'], ['2001:f:ffff::']],
  ['2001:20::/28', ['2001:20::', '2001:2f:ffff::'], ['2001:30::']],
  ['2001:db8::/32', ['2001:db8::1', '2001:db8:ffff::1'], ['2001:db7::1', '2001:db9::1']],
  ['2002::/16', ['2002:7f00:1::1', '2002::1'], ['2003::1']],
  ['3fff::/20', ['3fff::', '3fff:fff:ffff::'], ['3ffe:ffff::', '3fff:1000::']],
  ['5f00::/16', ['5f00::', '5f00:ffff::'], ['5eff:ffff::', '5f01::']],
  ['fc00::/7', ['fc00::1', 'fdff::1'], ['fbff::1', 'fe00::1']],
  ['fe80::/10', ['fe80::1', 'fe80::1%eth0', 'febf::1'], ['fe7f::1']],
  ['fec0::/10', ['fec0::1', 'feff::1'], []],
  ['ff00::/8', ['ff02::1', 'ffff::1'], ['2606:4700::1']],
]

describe('S61: the addresses that are not connected to', () => {
  const mayConnect = addressPolicy([])
  for (const [range, inside, outside] of EDGES) {
    it(`are those of ${range}`, () => {
      for (const address of inside) assert.equal(mayConnect(address), false, address)
      for (const address of outside) assert.equal(mayConnect(address), true, address)
    })
  }

  it('are all that is no address', () => {
    for (const text of ['', 'localhost', '127.1', '0x7f000001', '2130706433', '[::1]', '8.8.8.8 ', '8.8.8.8:1']) {
      assert.equal(mayConnect(text), false, text)
    }
  })

  it('have the exceptions that are configured, and no others', () => {
    const excepting = addressPolicy(['127.0.0.0/8', '10.1.2.3', 'fd00::/8'])
    for (const address of ['127.0.0.1', '::ffff:127.0.0.1', '10.1.2.3', 'fd12::1', '8.8.8.8']) {
      assert.equal(excepting(address), true, address)
    }
    for (const address of ['10.1.2.4', '::1', 'fc00::1', '::ffff:10.1.2.4'])
      assert.equal(excepting(address), false, address)
  })

  it('are not configured by mistake', () => {
    for (const range of ['127.0.0.0/33', '127.0.0/8', 'fd00::/129', 'localhost', '', '10.0.0.0/8/8']) {
      assert.throws(() => addressPolicy([range]), RangeError, range)
    }
  })
})
