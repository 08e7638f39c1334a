import type { ReadTx, Tx } from '#store/store.ts'
import type { Append } from '#store/types/events.ts'
import type { LogCommit } from '#store/types/log.ts'

/** A function that waits for its turn to write. */
export type PendingWrite = {
  readonly fn: (tx: Tx) => Promise<unknown>
  /** What `fn` does, where that is one append and nothing else. */
  readonly append?: Append
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** What a function gave, while the transaction that it shares isn't committed yet. */
export type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown }

/** Tells a write how it ended. */
export function settle(write: PendingWrite, outcome: Outcome): void {
  if (outcome.ok) write.resolve(outcome.value)
  else write.reject(outcome.error)
}

/** What SQLite and PostgreSQL each bring. */
export interface Engine {
  /** Whether a group of writes should be all appends, or have none. */
  readonly writesAppendsApart: boolean
  /** Runs the functions in turn and settles each, all after the commit. Never two calls at once. */
  write(group: readonly PendingWrite[]): Promise<void>
  read<T>(fn: (tx: ReadTx) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** What an engine tells the store. */
export type EngineEvents = {
  /** A commit made this position visible. Of this process's own what it wrote to the log is told. */
  readonly committed: (position: number, commit?: LogCommit) => void
}
