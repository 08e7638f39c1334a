/** `GET /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device`: the device that is kept for later (MSC3814). */
import { endpoint } from '#kit/endpoint.ts'

export default endpoint({
  spec: null,
  method: 'GET',
  path: '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device',
  auth: 'user',
  rateLimit: 'other',
  async handle({ caller }, { dehydratedDevices }) {
    const { deviceId, data } = await dehydratedDevices.get(caller.userNid)
    return { device_id: deviceId, device_data: data }
  },
})
