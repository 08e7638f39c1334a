declare const brand: unique symbol
/** Branded, so that no other text passes for one. */
export type ServerName = string & { readonly [brand]: 'ServerName' }

/** The longest text that fits the grammar: a DNS name of 255 characters with a port. */
export const SERVER_NAME_BYTES_MAX = 261

/** A server name taken apart (specification appendices, "Server Name"). */
export type ServerNameParts = {
  readonly kind: 'dns' | 'ipv4' | 'ipv6'
  /** Without port; IPv6 without its brackets. */
  readonly hostname: string
  /** As written: the grammar allows five digits, so it may exceed 65,535 and then can't be reached. */
  readonly port: number | null
}

/**
 * Parses a server name by the grammar of Matrix; null for anything else. Not by `URL`, which would take `0x7f.1` or
 * full-width dots for other hosts than are written.
 */
export function parseServerName(text: string): ServerNameParts | null {
  if (text.length > SERVER_NAME_BYTES_MAX) return null
  const split = text.startsWith('[') ? splitBracketed(text) : splitPlain(text)
  if (split === null) return null
  const { hostname, portText } = split
  if (portText !== null && !PORT.test(portText)) return null
  const port = portText === null ? null : Number(portText)
  if (text.startsWith('[')) return isIpv6(hostname) ? { kind: 'ipv6', hostname, port } : null
  if (DOTTED_QUAD.test(hostname)) return isIpv4(hostname) ? { kind: 'ipv4', hostname, port } : null
  return DNS_NAME.test(hostname) ? { kind: 'dns', hostname, port } : null
}

/** Whether a text is a server name: DNS name, IPv4 address or bracketed IPv6 address, and perhaps a port. */
export function isServerName(text: string): text is ServerName {
  return parseServerName(text) !== null
}

const PORT = /^[0-9]{1,5}$/
const DNS_NAME = /^[0-9A-Za-z.-]{1,255}$/
const DOTTED_QUAD = /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/
const HEX_GROUP = /^[0-9A-Fa-f]{1,4}$/
const IPV6_GROUPS = 8

type Split = { hostname: string; portText: string | null }

function splitPlain(text: string): Split {
  const colon = text.indexOf(':')
  return colon === -1
    ? { hostname: text, portText: null }
    : { hostname: text.slice(0, colon), portText: text.slice(colon + 1) }
}

function splitBracketed(text: string): Split | null {
  const end = text.indexOf(']')
  if (end === -1) return null
  const rest = text.slice(end + 1)
  if (rest !== '' && !rest.startsWith(':')) return null
  return { hostname: text.slice(1, end), portText: rest === '' ? null : rest.slice(1) }
}

/** "A sequence of four decimal numbers in the range 0 to 255, separated by `.`", each of one to three digits. */
function isIpv4(text: string): boolean {
  const parts = text.split('.')
  return parts.length === 4 && parts.every((part) => /^[0-9]{1,3}$/.test(part) && Number(part) <= 255)
}

/** RFC 3513, section 2.2: eight groups, `::` once for one or more of zeros, the last two perhaps as dotted quad. */
function isIpv6(text: string): boolean {
  const halves = text.split('::')
  if (halves.length > 2) return false
  const [head, tail] = halves as [string, string | undefined]
  if (tail === undefined) return groupCount(head, true) === IPV6_GROUPS
  const before = head === '' ? 0 : groupCount(head, false)
  const after = tail === '' ? 0 : groupCount(tail, true)
  return before !== null && after !== null && before + after < IPV6_GROUPS
}

/** How many groups a part without `::` holds; null if one is malformed. A dotted quad, only at the end, counts two. */
function groupCount(text: string, quadAllowed: boolean): number | null {
  const groups = text.split(':')
  const quad = quadAllowed && isIpv4(groups.at(-1) ?? '')
  const hex = quad ? groups.slice(0, -1) : groups
  return hex.every((group) => HEX_GROUP.test(group)) ? hex.length + (quad ? 2 : 0) : null
}
