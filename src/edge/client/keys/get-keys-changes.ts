/** `GET /_matrix/client/v3/keys/changes`: whose devices changed since a sync. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { parseStreamToken } from '#services/timeline/tokens.ts'

export default endpoint({
  spec: 'getKeysChanges',
  method: 'GET',
  path: '/_matrix/client/v3/keys/changes',
  auth: 'user',
  rateLimit: 'other',
  query: { from: Type.String(), to: Type.String() },

  handle({ query, caller }, { deviceLists }) {
    // "This may be used by the server as a hint": the answer always reaches up to now.
    parseStreamToken(query.to)
    return deviceLists.changedSince(caller.userNid, parseStreamToken(query.from).position)
  },
})
