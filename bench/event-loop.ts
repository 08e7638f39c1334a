import { Http } from './http.ts'

/**
 * The server's own event-loop delay (99th percentile, milliseconds) while `during` runs, from its metrics, which start
 * anew with each look; null where there are no metrics.
 */
export async function loopDelayP99Ms(metricsUrl: string | null, during: () => Promise<void>): Promise<number | null> {
  if (metricsUrl === null) {
    await during()
    return null
  }
  const http = new Http(metricsUrl)
  await http.text('GET', '/metrics')
  await during()
  const { text } = await http.text('GET', '/metrics')
  http.close()
  const seconds = /^nodejs_eventloop_lag_p99_seconds\S* (\S+)$/m.exec(text)?.[1]
  return seconds === undefined ? null : Number(seconds) * 1000
}
