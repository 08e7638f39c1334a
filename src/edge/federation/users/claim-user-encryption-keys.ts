/** `POST /_matrix/federation/v1/user/keys/claim`: one-time keys of local users' devices. */
import { Type } from 'typebox'
import { type DeviceId, isUserId, type UserId } from '#core/ids.ts'
import { invalidParam } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'

/** Devices in one request. */
const DEVICES_MAX = 10_000

export default endpoint({
  spec: 'claimUserEncryptionKeys',
  method: 'POST',
  path: '/_matrix/federation/v1/user/keys/claim',
  auth: 'server',
  rateLimit: false,
  body: Type.Object({ one_time_keys: Type.Record(Type.String(), Type.Record(Type.String(), Type.String())) }),

  async handle({ body }, { keyClaims }) {
    const wanted = new Map<UserId, Map<DeviceId, string>>()
    let count = 0
    for (const [userId, devices] of Object.entries(body.one_time_keys)) {
      if (!isUserId(userId) || !isText(userId)) continue
      const wishes = Object.entries(devices).filter(([deviceId, algorithm]) => isText(deviceId) && isText(algorithm))
      wanted.set(userId, new Map(wishes) as Map<DeviceId, string>)
      count += wishes.length
    }
    if (count > DEVICES_MAX) throw invalidParam(`At most ${DEVICES_MAX} devices can be asked for at once`)
    return { one_time_keys: Object.fromEntries(await keyClaims.claimLocal(wanted)) }
  },
})

/** Text that the database can hold. */
function isText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}
