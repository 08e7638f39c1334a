import type { MissedEvent } from '#store/types/outbound.ts'

/** An event that is to be sent; shared by all servers that it is for. */
export type DueEvent = Omit<MissedEvent, 'destination'> & {
  /** It stands among the missed events of its servers from the beginning: the log doesn't tell of it again. */
  readonly isStored?: true
}
