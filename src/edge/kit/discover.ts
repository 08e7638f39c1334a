/** Finds the endpoints: every file under `src/edge/<group>/` that isn't a test and has no `shared` folder above it. */
import { readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Resource } from '#config/schema.ts'
import type { Endpoint } from '#kit/endpoint.ts'

/** Which listener resource a folder of `src/edge` belongs to. */
const RESOURCE_BY_GROUP: Readonly<Record<string, Resource>> = {
  client: 'client',
  'well-known': 'client',
  'first-run': 'client',
  federation: 'federation',
  identity: 'identity',
  admin: 'admin',
  metrics: 'metrics',
}

export type FoundEndpoint = { readonly file: string; readonly resource: Resource; readonly endpoint: Endpoint }

/** The files that hold endpoints, relative to `edgeFolder`, in a fixed order. */
export function endpointFiles(edgeFolder: string): string[] {
  return readdirSync(edgeFolder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map((entry) => relative(edgeFolder, join(entry.parentPath, entry.name)).split(sep))
    .filter((parts) => parts[0] !== 'kit' && !parts.includes('shared'))
    .map((parts) => parts.join('/'))
    .sort()
}

/** Loads them all. Throws, naming the file, where one doesn't export an endpoint: a forgotten export must not pass. */
export async function discoverEndpoints(edgeFolder: string): Promise<FoundEndpoint[]> {
  const files = endpointFiles(edgeFolder)
  return Promise.all(
    files.map(async (file) => {
      const group = file.slice(0, file.indexOf('/'))
      if (!Object.hasOwn(RESOURCE_BY_GROUP, group)) throw new Error(`src/edge/${file}: unknown group '${group}'`)
      const module = (await import(pathToFileURL(join(edgeFolder, file)).href)) as { default?: Endpoint }
      if (module.default === undefined) {
        throw new Error(`src/edge/${file} exports no endpoint; what endpoints share belongs into a folder 'shared'`)
      }
      return { file, resource: RESOURCE_BY_GROUP[group]!, endpoint: module.default }
    }),
  )
}
