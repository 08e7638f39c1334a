/** The numbers that `GET /metrics` shows, in Prometheus' format. One instance a server, made by the composition root. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Process, heap, garbage collection and event-loop delay: once a process, since what observes these never ends. */
const ofProcess = new Registry()
let isProcessObserved = false

export class Metrics {
  readonly #registry = new Registry()
  readonly #requests: Histogram<'operation' | 'status'>

  constructor() {
    if (!isProcessObserved) collectDefaultMetrics({ register: ofProcess })
    isProcessObserved = true
    this.#requests = new Histogram({
      name: 'hearth_http_request_duration_seconds',
      help: 'Time from the end of the request to the end of the answer, long polls included',
      labelNames: ['operation', 'status'],
      buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30],
      registers: [this.#registry],
    })
  }

  observeRequest(operation: string, status: number, seconds: number): void {
    this.#requests.observe({ operation, status: String(status) }, seconds)
  }

  /** A number that is read when somebody asks: the size of a cache, a follower's position, the length of a queue. */
  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read())
      },
    })
  }

  /** Numbers by a label, read when somebody asks. */
  gauges(name: string, help: string, label: string, read: () => Readonly<Record<string, number>>): void {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [value, number] of Object.entries(read())) this.set({ [label]: value }, number)
      },
    })
  }

  /** Numbers that only grow, by a label, read when somebody asks. `name` ends in `_total`. */
  counters(name: string, help: string, label: string, read: () => Readonly<Record<string, number>>): void {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [value, count] of Object.entries(read())) this.inc({ [label]: value }, count)
      },
    })
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  async text(): Promise<string> {
    const texts = await Promise.all([ofProcess.metrics(), this.#registry.metrics()])
    return texts.join('\n')
  }
}
