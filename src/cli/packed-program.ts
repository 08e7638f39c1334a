/**
 * The packed program: the sources and libraries as a few files under `node_modules/.cache`, made by `tools/pack.ts` in
 * set-up. It starts in a third of the time and takes half the memory, because Node need not find, strip and link a
 * thousand modules. The sources stay the program: whatever differs from what was packed is run from them.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..', '..')
export const PACKED_FOLDER = join(ROOT, 'node_modules', '.cache', 'hearth', 'packed')
/** Holds the digest of what was packed; written last. */
export const DIGEST_FILE = join(PACKED_FOLDER, 'digest')
/** Of the entry points, by their names in the packed folder. */
export const ENTRIES = {
  'run-command': 'src/cli/run-command.ts',
  'append-thread': 'src/store/sql/sqlite/append-thread.ts',
}

/** Names everything that the packed program is made of: paths, sizes and times of the sources, and the libraries. */
export function sourcesDigest(root = ROOT): string {
  const digest = createHash('sha256').update(process.version)
  for (const file of ['package.json', 'package-lock.json']) digest.update(readFileSync(join(root, file)))
  const entries = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  for (const file of files.sort()) {
    const { size, mtimeMs } = statSync(file)
    digest.update(`${file}\0${size}\0${mtimeMs}\n`)
  }
  return digest.digest('hex')
}

/** The packed program's first file; null where there is none that is the same as the sources. */
export function packedProgram(): string | null {
  try {
    return readFileSync(DIGEST_FILE, 'utf8') === sourcesDigest() ? join(PACKED_FOLDER, 'run-command.mjs') : null
  } catch {
    return null
  }
}
