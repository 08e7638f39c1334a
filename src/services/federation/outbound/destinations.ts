import type { ServerName } from '#core/ids.ts'
import { Destination, type DestinationDeps } from '#services/federation/outbound/destination.ts'
import type { DueEvent } from '#services/federation/outbound/due-event.ts'
import type { Outbox } from '#services/federation/outbound/outbox-follower.ts'
import type { ReceiptUpdate, TypingUpdates } from '#services/federation/outbound/pending-edus.ts'
import type { UserPresence } from '#services/presence/user-presence.ts'
import { TimeSlice } from '#services/time/time-slice.ts'
import type { MissedEvent } from '#store/types/outbound.ts'

/** How many servers one look at those that are behind finds. */
const PAGE = 1_000

export type DestinationNumbers = {
  /** Servers that something is being sent to, or is to be sent to. */
  readonly destinations: number
  /** Those of them that don't keep up, or can't be reached. */
  readonly behind: number
  /** Events that wait in memory, summed over the servers that they are for. */
  readonly queuedEvents: number
}

/** All servers that there is something for. One without anything to do is forgotten. */
export class Destinations implements Outbox {
  readonly #deps: DestinationDeps
  readonly #destinations = new Map<ServerName, Destination>()

  constructor(deps: Omit<DestinationDeps, 'onIdle'>) {
    const onIdle = (idle: Destination) => this.#destinations.delete(idle.server)
    this.#deps = { ...deps, onIdle }
  }

  /** Takes up what an earlier process left to do. */
  async resume(): Promise<void> {
    const timeSlice = new TimeSlice()
    for (let after: ServerName | undefined; ; ) {
      const last = after
      const servers = await this.#deps.store.read((tx) => tx.outbound.behind(PAGE, last))
      for (const server of servers) {
        await timeSlice.yieldIfDue()
        this.#add(server, true).wake()
      }
      after = servers.at(-1)
      if (after === undefined || servers.length < PAGE) return
    }
  }

  addEvent(servers: Iterable<ServerName>, event: DueEvent): void {
    for (const server of servers) this.#of(server).addEvent(event)
  }

  addReceipts(servers: Iterable<ServerName>, receipts: readonly ReceiptUpdate[]): void {
    this.#addEdus(servers, ({ edus }) => {
      for (const receipt of receipts) edus.addReceipt(receipt)
    })
  }

  addTyping(servers: Iterable<ServerName>, news: TypingUpdates): void {
    this.#addEdus(servers, ({ edus }) => edus.addTyping(news))
  }

  addPresence(servers: Iterable<ServerName>, user: UserPresence): void {
    this.#addEdus(servers, ({ edus }) => edus.addPresence(user))
  }

  eduQueued(server: ServerName): void {
    this.#of(server).eduQueued()
  }

  recovered(server: ServerName): void {
    this.#destinations.get(server)?.recovered()
  }

  /**
   * What the database must be told so that nothing is lost if the process ends: missed events, and up to which position
   * the log need not be followed again. `written` is to be called when it has been.
   */
  snapshot(position: number): { position: number; missed: readonly MissedEvent[]; written: () => void } {
    const parts: ReturnType<Destination['unwritten']>[] = []
    let settled = position
    for (const destination of this.#destinations.values()) {
      const oldest = destination.oldestPosition
      if (oldest !== null) settled = Math.min(settled, oldest - 1)
      const part = destination.unwritten()
      if (part.missed.length > 0) parts.push(part)
    }
    const written = () => {
      for (const part of parts) part.written()
    }
    return { position: settled, missed: parts.flatMap(({ missed }) => missed), written }
  }

  numbers(): DestinationNumbers {
    const all = [...this.#destinations.values()]
    return {
      destinations: all.length,
      behind: all.filter(({ isBehind }) => isBehind).length,
      queuedEvents: all.reduce((sum, { queueLength }) => sum + queueLength, 0),
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#destinations.values()].map((destination) => destination.close()))
  }

  /** What isn't stored isn't kept for servers that can't be reached either. */
  #addEdus(servers: Iterable<ServerName>, add: (destination: Destination) => void): void {
    const { backOff } = this.#deps.client
    for (const server of servers) {
      if (backOff.pausedUntil(server) !== null || this.#destinations.get(server)?.isBehind === true) continue
      const destination = this.#of(server)
      add(destination)
      destination.wake()
    }
  }

  #of(server: ServerName): Destination {
    return this.#destinations.get(server) ?? this.#add(server, false)
  }

  #add(server: ServerName, isBehind: boolean): Destination {
    const destination = new Destination(server, isBehind, this.#deps)
    this.#destinations.set(server, destination)
    return destination
  }
}
