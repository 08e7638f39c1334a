/** SRV records (RFC 2782): which of them to try, in which order. */

export type SrvRecord = {
  readonly name: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

/** The records of a name; none if it has none. Throws where the question couldn't be answered. */
export type ResolveSrv = (name: string) => Promise<readonly SrvRecord[]>

/** Targets tried for one server. */
const TARGETS_MAX = 8

/**
 * Targets in the order to try them: by priority, and within one priority by chance in proportion to weight. `random`
 * gives a number from 0 to 1 (1 excluded).
 */
export function orderSrv(records: readonly SrvRecord[], random: () => number): SrvRecord[] {
  const byPriority = Map.groupBy(records, ({ priority }) => priority)
  const priorities = [...byPriority.keys()].sort((a, b) => a - b)
  return priorities.flatMap((priority) => shuffled(byPriority.get(priority) ?? [], random)).slice(0, TARGETS_MAX)
}

function shuffled(records: readonly SrvRecord[], random: () => number): SrvRecord[] {
  const left = [...records]
  const order: SrvRecord[] = []
  while (left.length > 0) {
    // Each weight counts one more, so that records of weight 0 get their small chance.
    const total = left.reduce((sum, { weight }) => sum + weight + 1, 0)
    let mark = random() * total
    const index = left.findIndex(({ weight }) => {
      mark -= weight + 1
      return mark < 0
    })
    order.push(...left.splice(Math.max(index, 0), 1))
  }
  return order
}

/** "A Target of `.` means that the service is decidedly not available at this domain." */
export function isServiceDenied(records: readonly SrvRecord[]): boolean {
  return records.length === 1 && (records[0]?.name === '.' || records[0]?.name === '')
}
