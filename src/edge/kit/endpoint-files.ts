/** Where endpoints lie: every file under `src/edge/<group>/` that isn't a test and has no `shared` folder above it. */
import { readdirSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'

export const EDGE_FOLDER = dirname(import.meta.dirname)

/** The files that hold endpoints, relative to `edgeFolder`, in a fixed order. */
export function endpointFiles(edgeFolder: string): string[] {
  return readdirSync(edgeFolder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map((entry) => relative(edgeFolder, join(entry.parentPath, entry.name)).split(sep))
    .filter((parts) => parts[0] !== 'kit' && !parts.includes('shared'))
    .map((parts) => parts.join('/'))
    .sort()
}
