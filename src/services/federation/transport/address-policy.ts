/** Which addresses requests may go to: never into the networks around the server, unless an operator says so. */
import { BlockList, isIP } from 'node:net'

/** Private, local, reserved and documentation ranges. */
const DENIED_IPV4: readonly string[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]
/**
 * The same, and those that carry IPv4 addresses: what IANA's registry of special-purpose addresses calls not globally
 * reachable, and ranges that were once given out for such purposes.
 */
const DENIED_IPV6: readonly string[] = [
  '::/96',
  '::ffff:0:0/96',
  // IPv4-translated addresses (RFC 2765).
  '::ffff:0:0:0/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '100:0:0:1::/64',
  '2001::/32',
  '2001:2::/48',
  // Orchids, old and new: identifiers, not places.
  '2001:10::/28',
  '2001:20::/28',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  '5f00::/16',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
]

/** Whether an IP address may be connected to. */
export type AddressPolicy = (address: string) => boolean

/** The built-in list with exceptions (`10.0.0.0/8`, or one address). Throws for a range that is none. */
export function addressPolicy(allowedRanges: readonly string[]): AddressPolicy {
  // One each: a list that holds ::ffff:0:0/96 holds every IPv4 address.
  const denied = { ipv4: blockList(DENIED_IPV4), ipv6: blockList(DENIED_IPV6) }
  const allowed = blockList(allowedRanges)
  return (written) => {
    // A link-local address may come with the name of its interface.
    const address = written.replace(/%.*$/s, '')
    const family = familyOf(address)
    if (family === null) return false
    return !denied[family].check(address, family) || allowed.check(address, family)
  }
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', length, ...rest] = range.split('/')
    const family = familyOf(address)
    const bits = family === 'ipv6' ? 128 : 32
    if (family === null || rest.length > 0 || Number(length ?? bits) > bits) {
      throw new RangeError(`'${range}' is no range of IP addresses`)
    }
    list.addSubnet(address, Number(length ?? bits), family)
  }
  return list
}

function familyOf(address: string): 'ipv4' | 'ipv6' | null {
  const version = isIP(address)
  return version === 0 ? null : version === 4 ? 'ipv4' : 'ipv6'
}
