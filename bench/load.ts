/** Closed-loop load: so many workers, each with its next request as soon as the last one is answered. */

export type Load = {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly count: number
}

/** Runs `once(worker, n)` on `workers` workers for about `ms` milliseconds, after a tenth of that as warm-up. */
export async function load(
  workers: number,
  ms: number,
  once: (worker: number, n: number) => Promise<void>,
): Promise<Load> {
  await closedLoop(workers, ms / 10, once, [])
  const latencies: number[] = []
  const began = performance.now()
  await closedLoop(workers, ms, once, latencies)
  return summary(latencies, performance.now() - began)
}

/** Sends `perSecond` requests a second, evenly, whatever the answers take. */
export async function pacedLoad(perSecond: number, ms: number, once: (n: number) => Promise<void>): Promise<Load> {
  const latencies: number[] = []
  const open: Promise<void>[] = []
  const began = performance.now()
  let n = 0
  while (performance.now() - began < ms) {
    const due = Math.floor(((performance.now() - began) / 1000) * perSecond)
    for (; n < due; n += 1) {
      const sent = performance.now()
      open.push(once(n).then(() => void latencies.push(performance.now() - sent)))
    }
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await Promise.all(open)
  return summary(latencies, performance.now() - began)
}

let counter = 0

async function closedLoop(
  workers: number,
  ms: number,
  once: (worker: number, n: number) => Promise<void>,
  latencies: number[],
): Promise<void> {
  const end = performance.now() + ms
  await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      while (performance.now() < end) {
        const sent = performance.now()
        counter += 1
        await once(worker, counter)
        latencies.push(performance.now() - sent)
      }
    }),
  )
}

export function summary(latencies: number[], ms: number): Load {
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { perSecond: (latencies.length / ms) * 1000, p50Ms: at(0.5), p99Ms: at(0.99), count: latencies.length }
}
