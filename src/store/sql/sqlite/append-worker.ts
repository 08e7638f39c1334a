import { once } from 'node:events'
import { extname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { ServerName } from '#core/ids.ts'
import type { Outcome } from '#store/sql/engine.ts'
import {
  type AppendAnswer,
  type AppendRequest,
  receivedError,
  receivedOutcome,
  type SentAppend,
  type SentCommit,
} from '#store/sql/sqlite/append-messages.ts'

/** As `GroupOutcome`; its events are those that the caller gave. */
export type SentGroupOutcome = { readonly outcomes: readonly Outcome[]; readonly commit: SentCommit | null }

/**
 * A thread that writes appends over a connection of its own, so that neither their statements nor the wait for the disk
 * hold the event loop. Its caller sees to it that nothing else writes meanwhile. An error that the thread doesn't expect
 * ends the process, as it would in this one.
 */
export class AppendWorker {
  readonly #worker: Worker
  #answered: (answer: AppendAnswer) => void = () => {}

  /** @param path of a database that is migrated */
  constructor(path: string, serverName: ServerName) {
    // Beside this file as a source, and in the packed program too.
    const file = join(import.meta.dirname, `append-thread${extname(import.meta.filename)}`)
    this.#worker = new Worker(file, { workerData: { path, serverName } })
    this.#worker.on('message', (answer: AppendAnswer) => this.#answered(answer))
  }

  /**
   * Writes the appends in turn in one transaction. Never two calls at once.
   * @param now milliseconds: the time that the writes take place at
   * @throws when nothing of it was done
   */
  async run(appends: readonly SentAppend[], now: number): Promise<SentGroupOutcome> {
    const answer = await new Promise<AppendAnswer>((resolve) => {
      this.#answered = resolve
      this.#ask({ now, appends })
    })
    if ('failure' in answer) throw receivedError(answer.failure)
    return { outcomes: answer.outcomes.map(receivedOutcome), commit: answer.commit }
  }

  async close(): Promise<void> {
    const ended = once(this.#worker, 'exit')
    this.#ask(null)
    await ended
  }

  #ask(request: AppendRequest): void {
    this.#worker.postMessage(request)
  }
}
