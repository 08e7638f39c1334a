/** `POST /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/{deviceId}/events`: the same as by GET, in the older form. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tCount, tDeviceId, tText } from '#kit/schemas.ts'

export default endpoint({
  spec: null,
  method: 'POST',
  path: '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/{deviceId}/events',
  auth: 'user',
  rateLimit: 'other',
  params: { deviceId: tDeviceId },
  query: { limit: Type.Optional(tCount) },
  body: Type.Object({ next_batch: Type.Optional(tText()) }),
  async handle({ params, query, body, caller }, { dehydratedDevices }) {
    const from = body.next_batch ?? null
    const { events, nextBatch } = await dehydratedDevices.events(caller.userNid, params.deviceId, from, query.limit)
    // "For the last batch of messages, the server will still send a next_batch token."
    return { events, next_batch: nextBatch }
  },
})
