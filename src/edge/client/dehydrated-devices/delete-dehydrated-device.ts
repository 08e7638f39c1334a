/** `DELETE /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device`: keep no device for later (MSC3814). */
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: null,
  method: 'DELETE',
  path: '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device',
  auth: 'user',
  rateLimit: 'other',
  async handle({ caller }, { dehydratedDevices }) {
    return { device_id: await dehydratedDevices.delete(caller.userNid) }
  },
})
