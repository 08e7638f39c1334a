/** What users do so that devices trust each other. */
import assert from 'node:assert/strict'
import {
  type CryptoApi,
  CryptoEvent,
  type ShowSasCallbacks,
  VerificationPhase,
  type VerificationRequest,
  VerificationRequestEvent,
  type Verifier,
  VerifierEvent,
} from 'matrix-js-sdk/lib/crypto-api/index.js'
import { within } from '#test/e2ee/harness/news.ts'
import type { SdkDevice } from '#test/e2ee/harness/sdk-device.ts'
import { V3 } from '#test/system/harness/api.ts'

/** The user's cross-signing keys, secret storage and key backup, made on this device. */
export async function setUpCrossSigning(device: SdkDevice): Promise<void> {
  await device.crypto.bootstrapCrossSigning({
    authUploadDeviceSigningKeys: async (upload) => {
      await upload({
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: device.userId },
        password: 'sesame',
      })
    },
  })
  await device.crypto.bootstrapSecretStorage({
    createSecretStorageKey: async () => ({ privateKey: device.recoveryKey }),
    setupNewSecretStorage: true,
    setupNewKeyBackup: true,
  })
}

/** Two devices of anybody compare short strings, and both confirm. `ask` begins it on the first device. */
export async function verifyBySas(
  first: SdkDevice,
  second: SdkDevice,
  ask: (crypto: CryptoApi) => Promise<VerificationRequest>,
): Promise<void> {
  const asked = received(second)
  const request = await ask(first.crypto)
  const incoming = await asked
  await incoming.accept()
  await inPhase(request, VerificationPhase.Ready)
  const verifier = await request.startVerification('m.sas.v1')
  const [ours, theirs] = [shownSas(verifier), verifierOf(incoming).then(shownSas)]
  const verified = [verifier.verify(), verifierOf(incoming).then((other) => other.verify())]
  const [one, other] = await Promise.all([ours, theirs])
  assert.deepEqual(one.sas.decimal, other.sas.decimal, 'both show the same')
  await Promise.all([one.confirm(), other.confirm()])
  await within<unknown>('both to be verified', (resolve, reject) => Promise.all(verified).then(resolve, reject))
}

/** Resolves when the viewer trusts these devices by what their owner signed. */
export async function trusts(viewer: SdkDevice, userId: string, deviceIds: readonly string[]): Promise<void> {
  for (const deviceId of deviceIds) {
    await viewer.news.until(`${viewer.deviceId} to trust ${deviceId} of ${userId}`, async () => {
      return (await viewer.crypto.getDeviceVerificationStatus(userId, deviceId))?.crossSigningVerified
    })
  }
}

/** Resolves when the server keeps all the keys of rooms that the device has. */
export async function backedUp(device: SdkDevice): Promise<void> {
  await device.news.until('the backup of all keys', async () => {
    const { count } = await device.api.get(`${V3}/room_keys/version`)
    return count === (await device.crypto.exportRoomKeys()).length
  })
}

/** Opens the key backup with what secret storage holds, and takes all keys from it. */
export async function restoreBackup({ crypto }: SdkDevice): Promise<void> {
  await crypto.loadSessionBackupPrivateKeyFromSecretStorage()
  const { imported, total } = await crypto.restoreKeyBackup()
  assert.equal(imported, total)
}

function received(device: SdkDevice): Promise<VerificationRequest> {
  return within(`${device.deviceId} to be asked for verification`, (resolve) => {
    device.client.once(CryptoEvent.VerificationRequestReceived, resolve)
  })
}

function inPhase(request: VerificationRequest, phase: VerificationPhase): Promise<void> {
  return within(`verification in phase ${VerificationPhase[phase]}`, (resolve, reject) => {
    const look = () => {
      if (request.phase === VerificationPhase.Cancelled) reject(new Error(`cancelled: ${request.cancellationCode}`))
      if (request.phase >= phase) resolve()
    }
    request.on(VerificationRequestEvent.Change, look)
    look()
  })
}

async function verifierOf(request: VerificationRequest): Promise<Verifier> {
  await inPhase(request, VerificationPhase.Started)
  return request.verifier!
}

function shownSas(verifier: Verifier): Promise<ShowSasCallbacks> {
  return within('the short string', (resolve) => {
    verifier.once(VerifierEvent.ShowSas, resolve)
    const shown = verifier.getShowSasCallbacks()
    if (shown !== null) resolve(shown)
  })
}
