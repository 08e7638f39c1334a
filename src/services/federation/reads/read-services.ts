import type { ServerName } from '#core/ids.ts'
import { BackfilledTimeline } from '#services/federation/history/backfilled-timeline.ts'
import { Backfiller, type HistoryIngest } from '#services/federation/history/backfiller.ts'
import type { Fetcher } from '#services/federation/inbound/fetcher.ts'
import { RemoteAliases } from '#services/federation/lookups/remote-aliases.ts'
import { RemoteDirectories } from '#services/federation/lookups/remote-directories.ts'
import { RemoteProfiles } from '#services/federation/lookups/remote-profiles.ts'
import { EventReads } from '#services/federation/reads/event-reads.ts'
import { StateReads } from '#services/federation/reads/state-reads.ts'
import { UserReads } from '#services/federation/reads/user-reads.ts'
import { RemoteRooms } from '#services/federation/spaces/remote-rooms.ts'
import { RoomLookup } from '#services/federation/spaces/room-lookup.ts'
import { SpaceHierarchy } from '#services/federation/spaces/space-hierarchy.ts'
import { SpaceReads } from '#services/federation/spaces/space-reads.ts'
import type { BackOff } from '#services/federation/transport/back-off.ts'
import type { FederationClient } from '#services/federation/transport/federation-client.ts'
import type { Profiles } from '#services/profiles/profiles.ts'
import type { Timers } from '#services/time/timers.ts'
import type { Timeline } from '#services/timeline/timeline.ts'
import type { Store } from '#store/store.ts'

/** What other servers may read here, and what this one reads elsewhere for its users. */
export interface FederationReadServices {
  readonly eventReads: EventReads
  readonly stateReads: StateReads
  readonly userReads: UserReads
  readonly spaceReads: SpaceReads
  readonly remoteAliases: RemoteAliases
  readonly remoteProfiles: RemoteProfiles
  readonly remoteDirectories: RemoteDirectories
  readonly remoteRooms: RemoteRooms
  readonly roomLookup: RoomLookup
  readonly spaceHierarchy: SpaceHierarchy
  readonly roomHistory: BackfilledTimeline
}

type Deps = {
  readonly store: Store
  readonly serverName: ServerName
  readonly client: Pick<FederationClient, 'request'>
  readonly backOff: BackOff
  readonly fetcher: Fetcher
  readonly ingest: HistoryIngest
  readonly profiles: Profiles
  readonly timeline: Timeline
  readonly clock: () => number
  readonly timers: Timers
  /** Whether other servers are told what users call their devices. */
  readonly tellsDeviceNames: boolean
}

/** Makes them all. */
export function federationReadServices(deps: Deps): FederationReadServices {
  const userReads = new UserReads(deps)
  const remoteRooms = new RemoteRooms(deps)
  const roomLookup = new RoomLookup({ store: deps.store, remoteRooms })
  return {
    eventReads: new EventReads(deps),
    stateReads: new StateReads(deps),
    userReads,
    spaceReads: new SpaceReads(deps),
    remoteAliases: new RemoteAliases({ ...deps, userReads }),
    remoteProfiles: new RemoteProfiles(deps),
    remoteDirectories: new RemoteDirectories(deps),
    remoteRooms,
    roomLookup,
    spaceHierarchy: new SpaceHierarchy({ rooms: roomLookup, clock: deps.clock }),
    roomHistory: new BackfilledTimeline({ ...deps, filler: new Backfiller(deps) }),
  }
}
