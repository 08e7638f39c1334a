/** `POST /_matrix/key/v2/query`: the keys of several servers, with our word for them. */
import { Type } from 'typebox'
import type { ServerName } from '#core/ids.ts'
import { isJsonObject, type JsonValue, member } from '#core/json/value.ts'
import { isServerName } from '#core/server-name.ts'
import { endpoint } from '#kit/endpoint.ts'
import { addressKey } from '#kit/request-address.ts'
import { tJsonObject } from '#kit/schemas.ts'
import { keyDocument } from '../shared/key-document.ts'

export default endpoint({
  spec: 'bulkPerspectivesKeyQuery',
  method: 'POST',
  path: '/_matrix/key/v2/query',
  auth: 'none',
  rateLimit: 'keyRequest',
  body: Type.Object({ server_keys: tJsonObject }),

  async handle({ body, ip }, { federation }) {
    const minimums = new Map<ServerName, number | null>()
    // What is no server has no keys: it is left out, like servers that are offline.
    for (const [server, criteria] of Object.entries(body.server_keys)) {
      if (isServerName(server)) minimums.set(server, latestMinimum(criteria))
    }
    return keyDocument({ server_keys: await federation.notary.query(minimums, addressKey(ip)) })
  },
})

/** The latest time among what is asked of a server's keys; null where none is given. */
function latestMinimum(criteria: JsonValue): number | null {
  if (!isJsonObject(criteria)) return null
  const times = Object.values(criteria)
    .map((ofKey) => (isJsonObject(ofKey) ? member(ofKey, 'minimum_valid_until_ts') : undefined))
    .filter((time) => Number.isSafeInteger(time)) as number[]
  return times.length === 0 ? null : times.reduce((latest, time) => Math.max(latest, time))
}
