/** The thread that writes appends. It answers each request, which is one transaction, before it takes the next. */
import { parentPort, workerData } from 'node:worker_threads'
import type { ServerName } from '#core/ids.ts'
import {
  type AppendAnswer,
  type AppendRequest,
  receivedAppend,
  sentCommit,
  sentError,
  sentOutcome,
} from '#store/sql/sqlite/append-messages.ts'
import { openWriter } from '#store/sql/sqlite/open.ts'
import { WriteConnection } from '#store/sql/sqlite/write-connection.ts'

const { path, serverName } = workerData as { readonly path: string; readonly serverName: ServerName }
let now = 0
const connection = new WriteConnection(openWriter(path), { serverName, clock: () => now }, new Map())

parentPort?.on('message', async (request: AppendRequest) => {
  if (request === null) {
    connection.close()
    parentPort?.close()
  } else parentPort?.postMessage(await answer(request))
})

async function answer(request: NonNullable<AppendRequest>): Promise<AppendAnswer> {
  now = request.now
  try {
    const appends = request.appends.map(receivedAppend)
    const { outcomes, commit } = await connection.run(appends.map((append) => (tx) => tx.events.append(append)))
    return { outcomes: outcomes.map(sentOutcome), commit: commit && sentCommit(commit) }
  } catch (error) {
    return { failure: sentError(error) }
  }
}
