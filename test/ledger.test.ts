/** Every endpoint against the specification's own list of operations: no path is mistyped, none gets lost again. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Endpoint } from '#kit/endpoint.ts'
import {
  missingOperations,
  type Operation,
  readEndpoints,
  readMissingFile,
  readOperations,
} from '#test/harness/operations.ts'

const operations = readOperations()
const skip =
  operations === null ? 'SKIPPED: ../shared/spec/operations.json is not there, endpoints are unchecked' : false
const found = await readEndpoints()

/** The kinds of authentication in the specification's data, in our words. */
const AUTH: Readonly<Record<string, readonly Endpoint['auth'][]>> = {
  none: ['none'],
  accessTokenBearer: ['user', 'user-or-guest'],
  'optional:accessTokenBearer': ['optional'],
  signedRequest: ['server'],
}
/** Operations whose data is wrong: the prose asks for a token, and allows requests without one. */
const AUTH_OF_PROSE: Readonly<Record<string, readonly Endpoint['auth'][]>> = {
  getRoomSummary: ['optional', 'user-or-guest'],
  // NOTSPEC: a token by default; `rooms.public_list_without_auth` says otherwise.
  getPublicRooms: ['optional'],
}

describe('endpoints', () => {
  for (const { file, endpoint } of found.filter(({ endpoint }) => endpoint.spec !== null)) {
    it(`are as specified: ${file}`, { skip }, () => {
      // Some ids stand for an operation of each of two APIs.
      const named = operations?.filter(({ id }) => id === endpoint.spec) ?? []
      const operation = (named.find(({ path }) => endpoint.paths.includes(path)) ?? named[0]) as Operation
      assert.ok(operation !== undefined, `the specification has no operation '${endpoint.spec}'`)
      assert.equal(endpoint.method, operation.method)
      assert.ok(endpoint.paths.includes(operation.path), `${operation.path} is not among ${endpoint.paths.join(', ')}`)
      const prose = operation.api === 'client-server' ? AUTH_OF_PROSE[operation.id] : undefined
      const allowed = prose ?? AUTH[operation.auth]
      if (allowed !== undefined) assert.ok(allowed.includes(endpoint.auth), `auth must be ${allowed.join(' or ')}`)
    })
  }

  it('serve each method and path once', () => {
    const routes = found.flatMap(({ file, endpoint }) =>
      endpoint.paths.map((path) => ({ file, route: `${endpoint.method} ${path.replaceAll(/\{\w+\}/g, '{}')}` })),
    )
    const files = Map.groupBy(routes, ({ route }) => route)
    const twice = [...files].filter(([, entries]) => entries.length > 1)
    assert.deepEqual(twice, [])
  })

  it('name every parameter of their paths in the schema', () => {
    for (const { file, endpoint } of found) {
      const inPaths = new Set(
        endpoint.paths.flatMap((path) => [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!)),
      )
      assert.deepEqual([...inPaths].sort(), Object.keys(endpoint.params).sort(), file)
    }
  })
})

describe('the list of missing operations', () => {
  it('only shrinks', { skip }, () => {
    const listed = readMissingFile()
    const missing = missingOperations(operations ?? [], found)
    const lost = missing.filter((line) => !listed.includes(line))
    assert.deepEqual(lost, [], 'no longer served')
    const served = listed.filter((line) => !missing.includes(line))
    assert.deepEqual(served, [], 'served by now: run node test/harness/write-missing-operations.ts')
  })
})
