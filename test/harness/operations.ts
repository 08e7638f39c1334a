/** The operations of the specification as data, where that file is at hand, and what of them is served. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { discoverEndpoints, type FoundEndpoint } from '#kit/discover.ts'
import { ROOT } from '#test/harness/source-file.ts'

const FILE = join(ROOT, '..', 'shared', 'spec', 'operations.json')
/** One line an operation: API, method, path, operationId. */
export const MISSING_FILE = join(ROOT, 'test', 'missing-operations.txt')

/** The APIs that a homeserver serves; of the others it is a client. */
const SERVED_APIS = ['client-server', 'server-server', 'identity']

export type Operation = {
  readonly api: string
  readonly id: string
  readonly method: string
  readonly path: string
  readonly auth: string
}

/** null where the specification's data isn't at hand. */
export function readOperations(): Operation[] | null {
  if (!existsSync(FILE)) return null
  const { operations } = JSON.parse(readFileSync(FILE, 'utf8')) as { operations: Operation[] }
  // Two paths end in a space, which keeps them apart from another operation of the same method and path.
  return operations
    .filter(({ api }) => SERVED_APIS.includes(api))
    .map((operation) => ({ ...operation, path: operation.path.trim() }))
}

export function readEndpoints(): Promise<FoundEndpoint[]> {
  return discoverEndpoints()
}

/** The lines of the operations that no endpoint serves, in the order of the specification's data. */
export function missingOperations(operations: readonly Operation[], endpoints: readonly FoundEndpoint[]): string[] {
  const served = new Set(
    endpoints.flatMap(({ endpoint }) => endpoint.paths.map((path) => `${endpoint.method} ${path}`)),
  )
  return operations
    .filter(({ method, path }) => !served.has(`${method} ${path}`))
    .map(({ api, method, path, id }) => `${api} ${method} ${path} ${id}`)
}

export function readMissingFile(): string[] {
  return readFileSync(MISSING_FILE, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
}
