/** `GET /_matrix/client/v3/keys/changes`: whose devices changed since a sync. */
import { Type } from 'typebox'
import { invalidParam } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { parseToken } from '#services/timeline/tokens.ts'

export default endpoint({
  spec: 'getKeysChanges',
  method: 'GET',
  path: '/_matrix/client/v3/keys/changes',
  auth: 'user',
  rateLimit: 'other',
  query: { from: Type.String(), to: Type.String() },

  handle({ query, caller }, { deviceLists }) {
    // "This may be used by the server as a hint": the answer always reaches up to now.
    positionOf(query.to)
    return deviceLists.changedSince(caller.userNid, positionOf(query.from))
  },
})

function positionOf(text: string): number {
  const token = parseToken(text)
  if (token.kind !== 'stream') throw invalidParam('Only the next_batch of a sync says what is new')
  return token.position
}
