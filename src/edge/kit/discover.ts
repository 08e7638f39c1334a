/** Finds the endpoints, and by where each lies the listener resource that it belongs to. */
import type { Resource } from '#config/schema.ts'
import type { Endpoint } from '#kit/endpoint.ts'
import { endpointModules } from '#kit/endpoint-modules.ts'

/** Which listener resource a folder of `src/edge` belongs to. */
const RESOURCE_BY_GROUP: Readonly<Record<string, Resource>> = {
  client: 'client',
  'well-known': 'client',
  'first-run': 'client',
  'front-page': 'client',
  federation: 'federation',
  identity: 'identity',
  admin: 'admin',
  metrics: 'metrics',
}

export type FoundEndpoint = { readonly file: string; readonly resource: Resource; readonly endpoint: Endpoint }

/** Loads them all. Throws, naming the file, where one doesn't export an endpoint: a forgotten export must not pass. */
export async function discoverEndpoints(): Promise<FoundEndpoint[]> {
  return (await endpointModules()).map(([file, module]) => {
    const group = file.slice(0, file.indexOf('/'))
    if (!Object.hasOwn(RESOURCE_BY_GROUP, group)) throw new Error(`src/edge/${file}: unknown group '${group}'`)
    if (module.default === undefined) {
      throw new Error(`src/edge/${file} exports no endpoint; what endpoints share belongs into a folder 'shared'`)
    }
    return { file, resource: RESOURCE_BY_GROUP[group]!, endpoint: module.default }
  })
}
