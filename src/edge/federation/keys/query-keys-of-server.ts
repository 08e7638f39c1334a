/** `GET /_matrix/key/v2/query/{serverName}`: another server's keys, with our word for them. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { addressKey } from '#kit/request-address.ts'
import { tCount, tServerName } from '#kit/schemas.ts'
import { keyDocument } from '../shared/key-document.ts'

export default endpoint({
  spec: 'perspectivesKeyQuery',
  method: 'GET',
  path: '/_matrix/key/v2/query/{serverName}',
  auth: 'none',
  rateLimit: 'keyRequest',
  params: { serverName: tServerName },
  query: { minimum_valid_until_ts: Type.Optional(tCount) },

  async handle({ params, query, ip }, { federation }) {
    const minimum = query.minimum_valid_until_ts ?? null
    return keyDocument({
      server_keys: await federation.notary.query(new Map([[params.serverName, minimum]]), addressKey(ip)),
    })
  },
})
