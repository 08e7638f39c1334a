import type { ServerName } from '#core/ids.ts'
import type { E2eeServices } from '#services/e2ee/e2ee-services.ts'
import { type FederatedKeys, federatedKeys } from '#services/federation/encryption/federated-keys.ts'
import { type FederationLink, federationLink } from '#services/federation/federation-link.ts'
import { inboundMetrics, senderMetrics } from '#services/federation/federation-metrics.ts'
import { Edus } from '#services/federation/inbound/edus.ts'
import { Fetcher } from '#services/federation/inbound/fetcher.ts'
import { Ingest } from '#services/federation/inbound/ingest.ts'
import { Transactions } from '#services/federation/inbound/transactions.ts'
import {
  type FederationMembershipServices,
  federationMembershipServices,
} from '#services/federation/membership/federation-membership-services.ts'
import { FederationSender } from '#services/federation/outbound/federation-sender.ts'
import { type FederationReadServices, federationReadServices } from '#services/federation/reads/read-services.ts'
import type { LogFollowers } from '#services/log/log-followers.ts'
import type { Part } from '#services/parts/part.ts'
import type { PresenceService } from '#services/presence/presence-service.ts'
import type { Profiles } from '#services/profiles/profiles.ts'
import type { RoomServices } from '#services/rooms/room-services.ts'
import type { Timeline } from '#services/timeline/timeline.ts'
import type { TypingService } from '#services/typing/typing-service.ts'

/** What connects this server with others, and what it does with them. */
export interface FederationServices extends FederationLink {
  /** Questions to other servers about events. */
  readonly fetcher: Fetcher
  /** The way in for events of other servers. */
  readonly inbound: Ingest
  /** What other servers send. */
  readonly transactions: Transactions
  /** Memberships across servers. */
  readonly memberships: FederationMembershipServices
  /** What happens here, on its way to other servers. */
  readonly sender: FederationSender
  /** Devices, their keys and messages to them. */
  readonly encryption: FederatedKeys
  /** What other servers read here, and what users of this one read elsewhere. */
  readonly reads: FederationReadServices
}

type Deps = Parameters<typeof federationLink>[0] &
  Part & {
    readonly followers: LogFollowers
    readonly rooms: RoomServices
    readonly reading: {
      readonly typing: TypingService
      readonly presence: PresenceService
      readonly timeline: Timeline
    }
    readonly profiles: Profiles
    readonly e2ee: E2eeServices
    /** Whether other servers are told what users call their devices. */
    readonly tellsDeviceNames: boolean
  }

/** Makes them all, and goes on with what an earlier run left. Throws RangeError for address ranges that are none. */
export async function federationServices(deps: Deps): Promise<FederationServices> {
  const { store, clock, timers, onError, settings, reading } = deps
  const { queues } = deps.rooms.context
  const link = await federationLink(deps)
  const serverName: ServerName = link.ownKeys.serverName
  const fetcher = new Fetcher(link.client)
  const sender = await FederationSender.start({
    ...deps,
    serverName,
    client: link.client,
    typing: reading.typing,
    presence: reading.presence,
    onDropped: (destination, count) => deps.log.warn({ destination, count }, 'left out what could not be sent'),
  })
  const inbound = new Ingest({
    store,
    queues,
    fetcher,
    backOff: link.backOff,
    signatures: link.eventVerifier,
    serverName,
    clock,
    timers,
    retry: settings.retry,
    onError,
    onGuestAccess: (roomId) => deps.rooms.memberships.turnOutGuests(roomId),
    onOutOfBandEvent: (event) => memberships.outOfBandEvents.ended(event),
  })
  const memberships: FederationMembershipServices = federationMembershipServices({
    context: deps.rooms.context,
    memberships: deps.rooms.memberships,
    client: link.client,
    verifier: link.eventVerifier,
    ingest: inbound,
    timers,
    passOn: (row) => sender.relay(row),
    onLetIn: () => reads.remoteRooms.forget(),
    guestsMayJoin: async (roomId, servers) =>
      (await reads.remoteRooms.room(roomId, servers))?.room.guest_can_join === true,
    onError,
  })
  const encryption = await federatedKeys({
    ...deps,
    serverName,
    client: link.client,
    retry: settings.retry,
    eduQueued: (server) => sender.eduQueued(server),
  })
  const edus = new Edus({ store, typing: reading.typing, presence: reading.presence, keys: encryption, onError })
  const transactions = new Transactions({ store, ingest: inbound, edus })
  const reads = federationReadServices({
    ...deps,
    serverName,
    client: link.client,
    backOff: link.backOff,
    fetcher,
    ingest: inbound,
    timeline: reading.timeline,
  })
  deps.rooms.askForeignAliasesBy(reads.remoteAliases)
  await inbound.resume()
  await memberships.partialStates.resume()
  await encryption.resume()
  const services: FederationServices = {
    ...link,
    fetcher,
    inbound,
    transactions,
    memberships,
    reads,
    sender,
    encryption,
    async close() {
      await encryption.close()
      await sender.close()
      await memberships.partialStates.close()
      await inbound.close()
      await link.close()
    },
  }
  deps.onStop(() => services.close())
  senderMetrics(deps.metrics, sender)
  inboundMetrics(deps.metrics, inbound, transactions)
  return services
}
