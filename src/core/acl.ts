import { asciiLowerCase, globMatches } from '#core/glob.ts'
import { type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { parseServerName } from '#core/server-name.ts'

/** A room's server access control list, ready to be asked. */
export type ServerAcl = {
  /** Whether a server may take part in the room. */
  allows(serverName: string): boolean
}

/** For rooms without a list. */
export const ALLOW_ALL: ServerAcl = { allows: () => true }

/**
 * Compiles the content of `m.room.server_acl` (client-server API, "Server Access Control Lists"); once for each new
 * list, since a list may have thousands of entries. What isn't of the right type counts as absent: lists are then
 * empty, so that without `allow` nobody may take part, and IP addresses are allowed.
 */
export function compileServerAcl(content: JsonObject): ServerAcl {
  const allowsIpLiterals = member(content, 'allow_ip_literals') !== false
  const deny = compileGlobs(member(content, 'deny'))
  const allow = compileGlobs(member(content, 'allow'))
  const verdicts = new Map<string, boolean>()

  function judge(serverName: string): boolean {
    const parts = parseServerName(serverName)
    if (parts === null) return false
    // "The suspect server's port number must not be considered."
    const host = asciiLowerCase(parts.kind === 'ipv6' ? `[${parts.hostname}]` : parts.hostname)
    if (parts.kind !== 'dns' && !allowsIpLiterals) return false
    return !deny(host) && allow(host)
  }

  return {
    allows(serverName) {
      let verdict = verdicts.get(serverName)
      if (verdict === undefined) {
        verdict = judge(serverName)
        if (verdicts.size >= VERDICTS_MAX) verdicts.clear()
        verdicts.set(serverName, verdict)
      }
      return verdict
    },
  }
}

/** Verdicts remembered for each list; rooms of more servers are rare. */
const VERDICTS_MAX = 1024

/** What a server name without port can hold, lowered. A pattern with another character never matches. */
const HOST_PATTERN = /^[a-z0-9.:[\]*?-]*$/

type HostTest = (host: string) => boolean

/**
 * Most entries are names, or names with a star before or after: those are looked up. Only the others are tried one by
 * one.
 */
function compileGlobs(list: JsonValue | undefined): HostTest {
  const names = new Set<string>()
  const endings = new Set<string>()
  const beginnings = new Set<string>()
  const others = new Map<string, string>()
  for (const entry of Array.isArray(list) ? (list as readonly JsonValue[]) : []) {
    if (typeof entry !== 'string') continue
    const pattern = asciiLowerCase(entry).replace(/\*+/g, '*')
    if (!HOST_PATTERN.test(pattern)) continue
    if (!hasWildcard(pattern)) names.add(pattern)
    else if (pattern.startsWith('*') && !hasWildcard(pattern.slice(1))) endings.add(pattern.slice(1))
    else if (pattern.endsWith('*') && !hasWildcard(pattern.slice(0, -1))) beginnings.add(pattern.slice(0, -1))
    else others.set(pattern, longestLiteral(pattern))
  }
  return (host) => names.has(host) || matchesAnEnd(host, beginnings, endings) || matchesOne(host, others)
}

const hasWildcard = (pattern: string): boolean => pattern.includes('*') || pattern.includes('?')

function matchesAnEnd(host: string, beginnings: ReadonlySet<string>, endings: ReadonlySet<string>): boolean {
  if (beginnings.size === 0 && endings.size === 0) return false
  for (let at = 0; at <= host.length; at++) {
    if (endings.has(host.slice(at)) || beginnings.has(host.slice(0, at))) return true
  }
  return false
}

/** What no text can lack that the pattern matches: most patterns are ruled out by it, many times faster. */
function longestLiteral(pattern: string): string {
  return pattern.split(/[*?]/).reduce((longest, part) => (part.length > longest.length ? part : longest), '')
}

function matchesOne(host: string, patterns: ReadonlyMap<string, string>): boolean {
  for (const [pattern, literal] of patterns) if (host.includes(literal) && globMatches(pattern, host)) return true
  return false
}
