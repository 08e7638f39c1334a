/** What the machine itself can do, measured in the same run, so that a server's figures have something to stand by. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const WINDOW_MS = 1_500

export type Machine = { readonly durableCommitsPerSecond: number; readonly signaturesPerSecond: number }

export function measureMachine(): Machine {
  return { durableCommitsPerSecond: durableCommits(), signaturesPerSecond: signatures() }
}

function durableCommits(): number {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-bench-'))
  const db = new DatabaseSync(join(folder, 'commits.db'))
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, d TEXT)')
  const insert = db.prepare('INSERT INTO t (d) VALUES (?)')
  const row = 'x'.repeat(800)
  const rate = perSecond(() => void insert.run(row))
  db.close()
  rmSync(folder, { recursive: true })
  return rate
}

function signatures(): number {
  const { privateKey } = generateKeyPairSync('ed25519')
  const data = Buffer.alloc(700, 'a')
  return perSecond(() => void sign(null, data, privateKey))
}

function perSecond(once: () => void): number {
  const began = performance.now()
  let n = 0
  while (performance.now() - began < WINDOW_MS) {
    once()
    n += 1
  }
  return (n / (performance.now() - began)) * 1000
}
