import type { RoomId, ServerName } from '#core/ids.ts'
import type { Ingest } from '#services/federation/inbound/ingest.ts'
import type { EventVerifier } from '#services/federation/keys/event-verifier.ts'
import { admitEventBy } from '#services/federation/membership/admit-event.ts'
import { EventSignatures } from '#services/federation/membership/event-signatures.ts'
import { Handshakes } from '#services/federation/membership/handshakes.ts'
import { IncomingInvites } from '#services/federation/membership/incoming-invites.ts'
import { JoinImport } from '#services/federation/membership/join-import.ts'
import { MemberTemplates } from '#services/federation/membership/member-templates.ts'
import { OutOfBandEvents } from '#services/federation/membership/out-of-band-events.ts'
import { OutgoingInvites } from '#services/federation/membership/outgoing-invites.ts'
import { PartialStates } from '#services/federation/membership/partial-states.ts'
import { RemoteMemberships } from '#services/federation/membership/remote-memberships.ts'
import { SentMemberships } from '#services/federation/membership/sent-memberships.ts'
import { ThirdPartyExchanges } from '#services/federation/membership/third-party-exchanges.ts'
import { ThirdPartyInvites } from '#services/federation/membership/third-party-invites.ts'
import type { FederationClient } from '#services/federation/transport/federation-client.ts'
import type { RoomMemberships } from '#services/rooms/members/memberships.ts'
import type { RoomContext } from '#services/rooms/room-context.ts'
import type { Timers } from '#services/time/timers.ts'
import type { EventRow } from '#store/types/events.ts'

/** Memberships across servers, in both directions. */
export interface FederationMembershipServices {
  readonly memberTemplates: MemberTemplates
  readonly sentMemberships: SentMemberships
  readonly incomingInvites: IncomingInvites
  readonly thirdPartyInvites: ThirdPartyInvites
  readonly remoteMemberships: RemoteMemberships
  readonly outOfBandEvents: OutOfBandEvents
  readonly partialStates: PartialStates
}

type Deps = {
  readonly context: RoomContext
  readonly memberships: RoomMemberships
  readonly client: FederationClient
  readonly verifier: Pick<EventVerifier, 'verify'>
  readonly ingest: Ingest
  readonly timers: Timers
  /** Sends an event on that another server's user made, and that came in by way of this server alone. */
  readonly passOn: (row: EventRow) => Promise<void>
  /** Told when a local user has come into a room by way of another server, or was invited: others may tell more then. */
  readonly onLetIn: () => void
  /** What one of these servers says of a room that this one isn't in. */
  readonly guestsMayJoin: (roomId: RoomId, servers: readonly ServerName[]) => Promise<boolean>
  readonly onError: (error: unknown) => void
}

/** Makes them all. `partialStates.resume()` is for the caller, when everything stands. */
export function federationMembershipServices(deps: Deps): FederationMembershipServices {
  const { context, memberships, client, verifier, ingest, timers, passOn, onLetIn, guestsMayJoin, onError } = deps
  const signatures = new EventSignatures((event, server) => verifier.verify(event, server))
  const take = admitEventBy(ingest, context.store)
  const outOfBandEvents = new OutOfBandEvents({ context, signatures, isAuthorised: ingest.isAuthorised.bind(ingest) })
  const invites = new OutgoingInvites({ context, client, signatures, take, passOn })
  const { states } = ingest
  const onComplete = ingest.arrived.bind(ingest)
  const partialStates = new PartialStates({ context, states, backOff: client.backOff, timers, onComplete, onError })
  const onPartial = partialStates.complete.bind(partialStates)
  const joinImport = new JoinImport({ context, ingest, take, onPartial })
  const { serverName, signer, newLocalpart, clock } = context
  const handshakes = new Handshakes({ client, signer, newLocalpart, clock })
  const exchanges = new ThirdPartyExchanges({ client, serverName, clock })
  return {
    memberTemplates: new MemberTemplates(context),
    sentMemberships: new SentMemberships({ context, signatures, take, passOn }),
    incomingInvites: new IncomingInvites({ context, signatures, exchanges, onLetIn }),
    thirdPartyInvites: new ThirdPartyInvites({ context, invites }),
    remoteMemberships: new RemoteMemberships({
      context,
      memberships,
      handshakes,
      joinImport,
      exchanges,
      outside: outOfBandEvents,
      invites,
      timers,
      onLetIn,
      guestsMayJoin,
    }),
    outOfBandEvents,
    partialStates,
  }
}
