/** What the composition root gives to whoever puts a domain's services together. */

type Read<T> = () => T
type ByLabel = Readonly<Record<string, number>>

/** Where numbers for `GET /metrics` are registered; each is read when somebody asks. */
export type Meters = {
  gauge(name: string, help: string, read: Read<number>): void
  gauges(name: string, help: string, label: string, read: Read<ByLabel>): void
  counters(name: string, help: string, label: string, read: Read<ByLabel>): void
}

export type Part = {
  readonly metrics: Meters
  /** Has something called before the store closes: what began last is stopped first. */
  readonly onStop: (stop: () => unknown) => void
}
