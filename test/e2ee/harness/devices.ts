import assert from 'node:assert/strict'
import type { EncryptedDevice } from '#test/e2ee/harness/encrypted-device.ts'
import { V3 } from '#test/system/harness/api.ts'

/** Deletes another device of the user, who says the password again. */
export async function deleteDevice(by: EncryptedDevice, deviceId: string): Promise<void> {
  const path = `${V3}/devices/${encodeURIComponent(deviceId)}`
  const { status, body } = await by.api.request('DELETE', path, { body: {} })
  assert.equal(status, 401)
  const identifier = { type: 'm.id.user', user: by.userId }
  const auth = { type: 'm.login.password', session: body.session, identifier, password: 'sesame' }
  await by.api.delete(path, { auth })
}
