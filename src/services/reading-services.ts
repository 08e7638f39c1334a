import type { RandomBytes } from '#services/accounts/secrets.ts'
import { EphemeralSequence } from '#services/log/ephemeral-sequence.ts'
import type { LogFollowers } from '#services/log/log-followers.ts'
import { EventStream } from '#services/old-sync/event-stream.ts'
import { InitialSync } from '#services/old-sync/initial-sync.ts'
import type { Part } from '#services/parts/part.ts'
import { PresenceService } from '#services/presence/presence-service.ts'
import { Receipts } from '#services/receipts/receipts.ts'
import { Notifier } from '#services/sync/notifier.ts'
import { SyncService } from '#services/sync/sync-service.ts'
import type { Timers } from '#services/time/timers.ts'
import { ClientEvents } from '#services/timeline/client-events.ts'
import { RoomState } from '#services/timeline/room-state.ts'
import { Timeline } from '#services/timeline/timeline.ts'
import { TypingDepartures } from '#services/typing/typing-departures.ts'
import { TypingNotices } from '#services/typing/typing-notices.ts'
import { TypingService } from '#services/typing/typing-service.ts'
import { UnreadService } from '#services/unread/unread-service.ts'
import type { Store } from '#store/store.ts'

/** What lets people read their rooms, and see who else reads and types. */
export interface ReadingServices {
  readonly timeline: Timeline
  readonly roomState: RoomState
  readonly receipts: Receipts
  /** Who types where, of this server and others. */
  readonly typing: TypingService
  readonly typingNotices: TypingNotices
  readonly presence: PresenceService
  readonly sync: SyncService
  readonly eventStream: EventStream
  readonly initialSync: InitialSync
  readonly notifier: Notifier
}

type Deps = Pick<Part, 'onStop'> & {
  readonly store: Store
  readonly followers: LogFollowers
  readonly clock: () => number
  readonly timers: Timers
  readonly randomBytes: RandomBytes
  /** Whether anybody is told who is online. */
  readonly presenceEnabled: boolean
  /** Told of failures that no request waits for. */
  readonly onError: (error: unknown) => void
}

/** Makes them all. */
export function readingServices(deps: Deps): ReadingServices {
  const { store, followers, clock, timers, randomBytes, presenceEnabled, onError } = deps
  const clientEvents = new ClientEvents(clock)
  const notifier = new Notifier({ store, followers, timers })
  const sequence = new EphemeralSequence(Buffer.from(randomBytes(4)).toString('hex'))
  const typing = new TypingService({ clock, timers, sequence })
  typing.onChange((room) => notifier.wakeRoom(room))
  const presence = new PresenceService({ store, followers, clock, timers, sequence, enabled: presenceEnabled, onError })
  presence.onUpdate((_user, rooms) => {
    for (const room of rooms) notifier.wakeRoom(room)
  })
  const unread = new UnreadService()
  const departures = new TypingDepartures({ store, followers, typing })
  // Ends all waiting.
  deps.onStop(async () => {
    await notifier.close()
    typing.close()
    await departures.close()
    await presence.close()
  })
  return {
    timeline: new Timeline({ store, clientEvents }),
    roomState: new RoomState({ store, clientEvents }),
    receipts: new Receipts({ store, clock }),
    typing,
    typingNotices: new TypingNotices({ store, typing }),
    presence,
    sync: new SyncService({ store, notifier, clientEvents, typing, unread, presence, sequence, clock }),
    eventStream: new EventStream({ store, notifier, clientEvents, typing, presence, sequence, clock }),
    initialSync: new InitialSync({ store, clientEvents, presence, sequence, clock }),
    notifier,
  }
}
