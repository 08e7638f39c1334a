/** `POST /_matrix/client/v3/keys/claim`: take one-time keys of devices, to begin to talk to them. */
import { Type } from 'typebox'
import type { DeviceId } from '#core/ids.ts'
import { invalidParam } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tText } from '#kit/schemas.ts'
import { byUserId, KEYS_BODY_BYTES_MAX, remoteTimeout, tKeysTimeout } from '../shared/key-schemas.ts'

/** Devices in one request. */
const DEVICES_MAX = 10_000

export default endpoint({
  spec: 'claimKeys',
  method: 'POST',
  path: '/_matrix/client/v3/keys/claim',
  auth: 'user-or-guest',
  rateLimit: 'keyRequest',
  body: Type.Object({
    one_time_keys: Type.Record(Type.String(), Type.Record(Type.String(), tText())),
    timeout: tKeysTimeout,
  }),
  bodyBytesMax: KEYS_BODY_BYTES_MAX,
  handle({ body }, { keyClaims }) {
    const wanted = [...byUserId(body.one_time_keys)].map(([userId, devices]) => {
      return [userId, new Map(Object.entries(devices).map(([deviceId, type]) => [asDeviceId(deviceId), type]))] as const
    })
    const count = wanted.reduce((sum, [, devices]) => sum + devices.size, 0)
    if (count > DEVICES_MAX) throw invalidParam(`At most ${DEVICES_MAX} devices can be asked for at once`)
    return keyClaims.claim(new Map(wanted), remoteTimeout(body.timeout))
  },
})

function asDeviceId(text: string): DeviceId {
  if (text.includes('\0') || !text.isWellFormed()) throw invalidParam('Not a device id')
  return text as DeviceId
}
