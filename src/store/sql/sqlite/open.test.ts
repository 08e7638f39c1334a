import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { leaveCheckpoints, openWriter } from './open.ts'

/** More than the log may hold before somebody copies it, at eight kibibytes a page. */
const BLOBS = 4_100
const BLOB_BYTES = 8_000
const MIB = 1024 * 1024

it('a connection leaves it to another one to copy a long log into the database', () => {
  const dir = mkdtempSync(join(tmpdir(), 'hearth-open-'))
  const path = join(dir, 'hearth.db')
  const [main, other] = [openWriter(path), openWriter(path)]
  try {
    leaveCheckpoints(main)
    main.exec('CREATE TABLE blobs (data BLOB); BEGIN')
    const insert = main.prepare('INSERT INTO blobs VALUES (zeroblob(?))')
    for (let i = 0; i < BLOBS; i++) insert.run(BLOB_BYTES)
    main.exec('COMMIT')
    assert.ok(statSync(path).size < MIB, 'it stands in the log alone')
    other.exec('INSERT INTO blobs VALUES (NULL)')
    assert.ok(statSync(path).size > 30 * MIB, 'the next write of the other has copied it')
  } finally {
    main.close()
    other.close()
    rmSync(dir, { recursive: true })
  }
})
