import { signingKeyIds } from '#core/event/sign.ts'
import { type ServerName, serverOf } from '#core/ids.ts'
import { type DestinationNumbers, Destinations } from '#services/federation/outbound/destinations.ts'
import { EphemeralEduSender } from '#services/federation/outbound/ephemeral-edu-sender.ts'
import { OutboxFollower } from '#services/federation/outbound/outbox-follower.ts'
import { RecentPdus } from '#services/federation/outbound/recent-pdus.ts'
import { Recipients } from '#services/federation/outbound/recipients.ts'
import { SendSlots, type SlotLimits } from '#services/federation/outbound/send-slots.ts'
import type { FederationClient } from '#services/federation/transport/federation-client.ts'
import type { Claim } from '#services/log/follower.ts'
import type { LogFollowers } from '#services/log/log-followers.ts'
import type { PresenceService } from '#services/presence/presence-service.ts'
import type { Timers } from '#services/time/timers.ts'
import type { TypingService } from '#services/typing/typing-service.ts'
import type { Store } from '#store/store.ts'
import type { EventRow } from '#store/types/events.ts'

/** The name under which the log's follower keeps its position. */
export const FOLLOWER = 'federation'
/** How often the database is told how far everybody is. */
export const CHECKPOINT_MS = 5_000

const HEALTHY: SlotLimits = { quickMax: 100, totalMax: 2_000, bytesMax: 64 * 1024 * 1024, slowAfterMs: 2_000 }
const FAILING: SlotLimits = { quickMax: 20, totalMax: 200, bytesMax: 16 * 1024 * 1024, slowAfterMs: 2_000 }

type Deps = {
  readonly store: Store
  readonly followers: LogFollowers
  readonly serverName: ServerName
  readonly client: Pick<FederationClient, 'request' | 'backOff'>
  readonly typing: TypingService
  readonly presence: PresenceService
  readonly clock: () => number
  readonly timers: Timers
  readonly randomBytes: (count: number) => Uint8Array
  readonly onError: (error: unknown) => void
  /** Told of what can't be sent to a server, or what that one doesn't take, and is left out. */
  readonly onDropped?: (server: ServerName, count: number) => void
}

export type SenderNumbers = DestinationNumbers & {
  /** Transactions on their way. */
  readonly underWay: number
  /** Servers whose turn hasn't come. */
  readonly waiting: number
  /** How far the log has been followed. */
  readonly position: number
}

/**
 * Sends to other servers what concerns them (server-server API, "Transactions"): what local users do in rooms, who
 * types, reads and is online, and EDUs that others put into the database for it. Nothing that must arrive is in memory
 * alone: the follower's stored position stays behind what hasn't been sent, and what a server has missed for longer is
 * stored as the newest event of each room. So a crash may send something twice, and never loses anything.
 */
export class FederationSender {
  readonly #deps: Deps
  readonly #stop = new AbortController()
  readonly #healthy: SendSlots
  readonly #failing: SendSlots
  readonly #destinations: Destinations
  readonly #fresh: EphemeralEduSender
  readonly #forgetReset: () => void
  readonly #follower: OutboxFollower
  readonly #claim: Claim
  #stored: number
  #cancelTimer: () => void
  #checkpoint: Promise<void> = Promise.resolve()
  #isClosed = false

  private constructor(deps: Deps, claim: Claim) {
    const { store, followers, serverName, client, typing, presence, clock, timers, onError } = deps
    this.#deps = deps
    this.#claim = claim
    this.#stored = claim.position
    this.#healthy = new SendSlots(HEALTHY, timers)
    this.#failing = new SendSlots(FAILING, timers)
    const prefix = Buffer.from(deps.randomBytes(6)).toString('hex')
    let transactions = 0
    this.#destinations = new Destinations({
      store,
      pdus: new RecentPdus(store),
      serverName,
      client,
      clock,
      timers,
      slots: { healthy: this.#healthy, failing: this.#failing },
      newTxnId: () => `${prefix}-${++transactions}`,
      signal: this.#stop.signal,
      onError,
      onDropped: deps.onDropped ?? (() => {}),
    })
    this.#forgetReset = client.backOff.onReset((server) => this.#destinations.recovered(server))
    this.#fresh = new EphemeralEduSender({
      store,
      serverName,
      destinations: this.#destinations,
      typing,
      presence,
      timers,
      onError,
    })
    const recipients = new Recipients(serverName)
    this.#follower = new OutboxFollower({ store, followers, claim, serverName, recipients, outbox: this.#destinations })
    this.#cancelTimer = timers.after(CHECKPOINT_MS, () => this.#round())
  }

  /** Goes on where the last process ended. */
  static async start(deps: Deps): Promise<FederationSender> {
    const sender = new FederationSender(deps, await deps.followers.claim(FOLLOWER))
    await sender.#destinations.resume()
    return sender
  }

  /**
   * Passes on an event of another server's user that this server let into a room (`send_join`, `send_leave`,
   * `send_knock`), or made there (an invite of a third-party identifier): nobody else does. When this resolves it can't
   * get lost any more.
   */
  async relay({ roomNid, nid: eventNid, event, position }: Pick<EventRow, 'roomNid' | 'nid' | 'event' | 'position'>) {
    if (position === null) return
    const servers = await this.#deps.store.write(async (tx) => {
      const [before, after] = [
        await tx.rooms.serversAt(roomNid, position - 1),
        await tx.rooms.serversAt(roomNid, position),
      ]
      // Whose signature it bears has it; what another server made in a user's name, the user's own one hasn't.
      const server = serverOf(event.sender)
      const knowing = signingKeyIds(event.json, server).length > 0 ? [server] : []
      const others = before.union(after).difference(new Set([this.#deps.serverName, ...knowing]))
      await tx.outbound.addMissed([...others].map((destination) => ({ destination, roomNid, eventNid, position })))
      return others
    })
    this.#destinations.addEvent(servers, { roomNid, eventNid, position, isStored: true })
  }

  /** An EDU was put into the database for that server (`tx.outbound.queueEdu`), and is committed. */
  eduQueued(server: ServerName): void {
    this.#destinations.eduQueued(server)
  }

  numbers(): SenderNumbers {
    return {
      ...this.#destinations.numbers(),
      underWay: this.#healthy.underWay + this.#failing.underWay,
      waiting: this.#healthy.waiting + this.#failing.waiting,
      position: this.#follower.position,
    }
  }

  /** Resolves when everything that happened so far has been put into the queues of those whom it concerns. */
  async idle(): Promise<void> {
    await this.#follower.idle()
    await this.#fresh.idle()
  }

  /** Stops sending; what hasn't been sent is for the next process. To be called before the store closes. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelTimer()
    this.#forgetReset()
    await this.#fresh.close()
    await this.#follower.close()
    this.#stop.abort()
    await this.#destinations.close()
    await this.#checkpoint
    await this.#settle().catch(this.#deps.onError)
  }

  #round(): void {
    const { timers, onError } = this.#deps
    this.#checkpoint = this.#settle()
      .catch(onError)
      .finally(() => {
        if (!this.#isClosed) this.#cancelTimer = timers.after(CHECKPOINT_MS, () => this.#round())
      })
  }

  /** Tells the database how far everybody is. */
  async #settle(): Promise<void> {
    const { position, missed, written } = this.#destinations.snapshot(this.#follower.position)
    if (position <= this.#stored && missed.length === 0) return
    await this.#deps.store.write(async (tx) => {
      await tx.outbound.addMissed(missed)
      await tx.log.moveFollower(this.#claim.lease, position)
    })
    written()
    this.#stored = position
  }
}
