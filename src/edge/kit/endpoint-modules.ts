import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Endpoint } from '#kit/endpoint.ts'
import { EDGE_FOLDER, endpointFiles } from '#kit/endpoint-files.ts'

type EndpointModule = { readonly default?: Endpoint }

/** Loads every file that holds an endpoint, by its path below `src/edge`. The packed program has a list instead (`tools/pack.ts`). */
export function endpointModules(): Promise<[file: string, module: EndpointModule][]> {
  return Promise.all(
    endpointFiles(EDGE_FOLDER).map(async (file) => [file, await import(pathToFileURL(join(EDGE_FOLDER, file)).href)]),
  )
}
