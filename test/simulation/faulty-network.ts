import { createHash } from 'node:crypto'
import type { ServerName } from '#core/ids.ts'
import type { WireReply, WireRequest } from '#services/federation/transport/transport.ts'
import { InMemoryNetwork, type WireServer } from '#test/federation/in-memory-network.ts'
import type { Random } from '#test/generators/random.ts'
import type { VirtualTime } from '#test/simulation/virtual-time.ts'

const DELAY_MS_MAX = 200
/** Now and then something comes much later than what was sent after it. */
const LATE_MS_MAX = 5_000

export type FaultRates = {
  readonly lostRequest: number
  readonly lostAnswer: number
  readonly repeated: number
  readonly late: number
}

/** A network that delays, reorders, loses and repeats, and that can be cut in two. */
export class FaultyNetwork {
  readonly requests = { sent: 0, lost: 0, repeated: 0, cut: 0 }
  readonly #network: InMemoryNetwork
  readonly #random: Random
  readonly #time: VirtualTime
  #rates: FaultRates
  #cut: ReadonlySet<ServerName> = new Set()
  readonly #said = createHash('sha256')

  constructor(random: Random, time: VirtualTime, rates: FaultRates) {
    this.#random = random
    this.#time = time
    this.#rates = rates
    this.#network = new InMemoryNetwork((from, request, deliver) => this.#carry(from, request, deliver))
  }

  attach(name: ServerName, server: WireServer): void {
    this.#network.attach(name, server)
  }

  detach(name: ServerName): void {
    this.#network.detach(name)
  }

  transportOf(name: ServerName) {
    return this.#network.transportOf(name)
  }

  /** Those inside and those outside don't reach each other. */
  cut(inside: Iterable<ServerName>): void {
    this.#cut = new Set(inside)
  }

  /** From now on everything arrives. */
  heal(): void {
    this.#cut = new Set()
    this.#rates = { lostRequest: 0, lostAnswer: 0, repeated: 0, late: 0 }
  }

  get trace(): string {
    return this.#said.copy().digest('hex')
  }

  async #carry(from: ServerName, request: WireRequest, deliver: () => Promise<WireReply>): Promise<WireReply> {
    const { requests } = this
    requests.sent += 1
    this.#said.update(`${this.#time.now} ${from} ${request.destination} ${request.uri} ${request.body}\n`)
    const lost = this.#random.chance(this.#rates.lostRequest)
    const lostAnswer = this.#random.chance(this.#rates.lostAnswer)
    const repeated = this.#random.chance(this.#rates.repeated)
    const [there, back, again] = [this.#delay(), this.#delay(), this.#delay()]
    await this.#time.sleep(there)
    if (this.#cut.has(from) !== this.#cut.has(request.destination)) {
      requests.cut += 1
      return { outcome: 'unreachable', reason: 'cut off' }
    }
    if (lost) {
      requests.lost += 1
      return this.#silence(request)
    }
    // Whether the answer comes depends on whether the other side lives that long.
    const answer = deliver()
    if (repeated) {
      requests.repeated += 1
      this.#time.sleep(again).then(deliver)
    }
    const first = await Promise.race([answer, this.#silence(request)])
    if (lostAnswer) {
      requests.lost += 1
      return this.#silence(request)
    }
    await this.#time.sleep(back)
    return first
  }

  async #silence({ timeoutMs }: WireRequest): Promise<WireReply> {
    await this.#time.sleep(timeoutMs)
    return { outcome: 'timed out' }
  }

  #delay(): number {
    const late = this.#random.chance(this.#rates.late)
    return this.#random.between(1, late ? LATE_MS_MAX : DELAY_MS_MAX)
  }
}
