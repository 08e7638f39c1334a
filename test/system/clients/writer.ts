/**
 * A process that sends while the server is killed under it, and keeps a ledger of what was acknowledged. Forked by
 * crash.test.ts: `go` starts it, `drain` makes it finish what is in doubt (with the same transaction ids) and answer.
 */
import { fdatasyncSync, openSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Api, RequestFailed } from '#test/system/harness/api.ts'

export type WriterJob = {
  readonly url: string
  readonly sessions: readonly { access_token: string; user_id: string }[]
  readonly rooms: readonly string[]
  readonly ledger: string
}
export type LedgerEntry = { readonly roomId: string; readonly txnId: string; readonly eventId: string }

const RETRY_MS = 25

const job = JSON.parse(process.argv[2]!) as WriterJob
const ledger = openSync(job.ledger, 'a')
let isSending = false
let running: Promise<unknown> = Promise.resolve()
const counts = job.sessions.map(() => 0)

process.on('message', (order: 'go' | 'drain') => {
  if (order === 'go') {
    isSending = true
    running = Promise.all(job.sessions.map((session, user) => write(new Api(job.url, session), user)))
  } else {
    isSending = false
    running.then(() => process.send!('drained'))
  }
})

async function write(api: Api, user: number): Promise<void> {
  while (isSending) {
    const n = counts[user]!++
    const roomId = job.rooms[(user + n * 7) % job.rooms.length]!
    const txnId = `${user}-${n}`
    const eventId = await sendUntilAcknowledged(api, roomId, txnId)
    writeSync(ledger, `${JSON.stringify({ roomId, txnId, eventId } satisfies LedgerEntry)}\n`)
    fdatasyncSync(ledger)
  }
}

async function sendUntilAcknowledged(api: Api, roomId: string, txnId: string): Promise<string> {
  for (;;) {
    try {
      return await api.send(roomId, txnId, txnId)
    } catch (error) {
      // An answer that refuses is a failure of the test; no answer is what the test is about.
      if (error instanceof RequestFailed) throw error
      await sleep(RETRY_MS)
    }
  }
}
