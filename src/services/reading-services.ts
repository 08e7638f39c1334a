import type { RandomBytes } from '#services/accounts/secrets.ts'
import { EventStream } from '#services/old-sync/event-stream.ts'
import { InitialSync } from '#services/old-sync/initial-sync.ts'
import { Receipts } from '#services/receipts/receipts.ts'
import { Notifier } from '#services/sync/notifier.ts'
import { SyncService } from '#services/sync/sync-service.ts'
import { ClientEvents } from '#services/timeline/client-events.ts'
import { RoomState } from '#services/timeline/room-state.ts'
import { Timeline } from '#services/timeline/timeline.ts'
import type { Timers } from '#services/timers.ts'
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
  readonly typingNotices: TypingNotices
  readonly sync: SyncService
  readonly eventStream: EventStream
  readonly initialSync: InitialSync
  readonly notifier: Notifier
  /** Ends all waiting: to be called before the store closes. */
  stopReading(): Promise<void>
}

type Deps = {
  readonly store: Store
  readonly clock: () => number
  readonly timers: Timers
  readonly randomBytes: RandomBytes
  /** Told of failures that no request waits for. */
  readonly onError: (error: unknown) => void
}

/** Makes them all. */
export function readingServices({ store, clock, timers, randomBytes, onError }: Deps): ReadingServices {
  const clientEvents = new ClientEvents(clock)
  const notifier = new Notifier({ store, timers })
  // Names this process among all that ever ran, in sync tokens.
  const epoch = Buffer.from(randomBytes(4)).toString('hex')
  const typing = new TypingService({ clock, timers, epoch, onChange: (room) => notifier.wakeRoom(room) })
  const departures = new TypingDepartures({ store, typing, onError })
  return {
    timeline: new Timeline({ store, clientEvents }),
    roomState: new RoomState({ store, clientEvents }),
    receipts: new Receipts({ store, clock }),
    typingNotices: new TypingNotices({ store, typing }),
    sync: new SyncService({ store, notifier, clientEvents, typing, unread: new UnreadService() }),
    eventStream: new EventStream({ store, notifier, clientEvents, typing }),
    initialSync: new InitialSync({ store, clientEvents, typing }),
    async stopReading() {
      notifier.close()
      typing.close()
      await departures.close()
    },
    notifier,
  }
}
