import { BlockList, isIPv6 } from 'node:net'

/**
 * Tells the addresses from which the requests of many people come: the configured proxies, and this machine, where
 * proxies mostly are, configured or not.
 */
export function speaksForMany(trustedProxies: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const range of ['127.0.0.0/8', '::1', ...trustedProxies]) {
    const [address = '', bits] = range.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    list.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family)
  }
  return (written) => {
    const address = written.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/s, '')
    return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
  }
}
