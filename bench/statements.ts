/**
 * Loaded into a server that is measured (`node --import`): how many SQL statements its main thread has run on SQLite, and
 * the processor time it has used. Whoever connects to the socket that STATEMENTS_SOCKET names is told.
 */
import { createServer } from 'node:net'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import { isMainThread } from 'node:worker_threads'

export type Spent = { readonly statements: number; readonly cpuMs: number }

let statements = 0

/** Replaces a method by one that counts its calls. */
function count(prototype: object, method: string): void {
  const original = Reflect.get(prototype, method) as (...parameters: unknown[]) => unknown
  Reflect.set(prototype, method, function (this: unknown, ...parameters: unknown[]) {
    statements += 1
    return original.apply(this, parameters)
  })
}

function spent(): Spent {
  // Linux brings a running thread's figure up to date when the process's own is read.
  process.cpuUsage()
  const { user, system } = process.threadCpuUsage()
  return { statements, cpuMs: (user + system) / 1_000 }
}

const socket = process.env['STATEMENTS_SOCKET']
// The thread that writes appends loads this too.
if (isMainThread && socket !== undefined) {
  count(DatabaseSync.prototype, 'exec')
  for (const method of ['run', 'get', 'all', 'iterate']) count(StatementSync.prototype, method)
  const server = createServer((connection) => connection.end(JSON.stringify(spent())))
  server.listen(socket)
  server.unref()
}
