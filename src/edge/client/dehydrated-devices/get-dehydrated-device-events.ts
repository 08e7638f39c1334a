/** `GET /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/{deviceId}/events`: what was sent to the device that is kept for later (MSC3814). */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tCount, tDeviceId, tText } from '#kit/schemas.ts'

export default endpoint({
  spec: null,
  method: 'GET',
  path: '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/{deviceId}/events',
  auth: 'user',
  rateLimit: 'other',
  params: { deviceId: tDeviceId },
  query: { from: Type.Optional(tText()), limit: Type.Optional(tCount) },
  async handle({ params, query, caller }, { dehydratedDevices }) {
    const { from, limit } = query
    const found = await dehydratedDevices.events(caller.userNid, params.deviceId, from ?? null, limit)
    // Clients that ask in this way go on for as long as there is a token.
    return { events: found.events, ...(found.more && { next_batch: found.nextBatch }) }
  },
})
