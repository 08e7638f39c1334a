/** What is kept for a user's next device, by matrix-js-sdk with its own cryptography: backups, dehydrated devices, QR. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createClient, type MatrixClient } from 'matrix-js-sdk'
import type { CryptoApi } from 'matrix-js-sdk/lib/crypto-api/index.js'
import { MSC4108RendezvousSession } from 'matrix-js-sdk/lib/rendezvous/transports/index.js'
import { Api, V3 } from '#test/system/harness/api.ts'
import { Hearth } from '#test/system/harness/hearth.ts'
import { registerWithSdk, startSdk } from '#test/system/harness/sdk-client.ts'
import { until } from '#test/system/harness/until.ts'

const PASSWORD = 'sesame'
const quiet = { trace() {}, debug() {}, log() {}, info() {}, warn() {}, error() {}, getChild: () => quiet }

/** Devices of one user, who knows the key of the secret storage by heart. */
class Devices implements AsyncDisposable {
  readonly #url: string
  readonly #started: MatrixClient[] = []
  storageKey: Uint8Array<ArrayBuffer> | null = null

  constructor(url: string) {
    this.#url = url
  }

  /** A new device, which syncs and has its keys published. */
  async login(username: string): Promise<{ readonly client: MatrixClient; readonly crypto: CryptoApi }> {
    const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: username }, password: PASSWORD }
    const session = await createClient({ baseUrl: this.#url, logger: quiet }).loginRequest(login)
    const client = createClient({
      baseUrl: this.#url,
      userId: session.user_id,
      accessToken: session.access_token,
      deviceId: session.device_id,
      logger: quiet,
      cryptoCallbacks: {
        getSecretStorageKey: async ({ keys }) => [Object.keys(keys)[0]!, this.storageKey!],
        cacheSecretStorageKey: (_id, _info, key) => {
          this.storageKey = key
        },
      },
    })
    await client.initRustCrypto({ useIndexedDB: false })
    this.#started.push(client)
    await startSdk(client)
    const crypto = client.getCrypto()!
    await until('the device to see its keys', async () => {
      const devices = await crypto.getUserDeviceInfo([client.getUserId()!], true)
      return devices.get(client.getUserId()!)?.has(client.getDeviceId()!) === true
    })
    return { client, crypto }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#started) client.stopClient()
  }
}

/** The current backup, as the server tells of it: the SDK remembers. */
const backupOf = async (client: MatrixClient) =>
  new Api(client.baseUrl, { access_token: client.getAccessToken()!, user_id: '' }).get(`${V3}/room_keys/version`)

const isVerified = async (crypto: CryptoApi, userId: string, deviceId: string) =>
  (await crypto.getDeviceVerificationStatus(userId, deviceId))?.crossSigningVerified === true

it('the next device of a user gets what the one before has left', { timeout: 120_000 }, async () => {
  await using hearth = await Hearth.start()
  await using devices = new Devices(hearth.url)
  const [alice, bob] = ['@alice:hearth.test', '@bob:hearth.test']
  for (const name of ['alice', 'bob']) (await registerWithSdk(hearth.url, name)).stopClient()

  const first = await devices.login('alice')
  await first.crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: async (send) => void (await send(null)) })
  const recovery = await first.crypto.createRecoveryKeyFromPassphrase()
  devices.storageKey = recovery.privateKey
  const options = { setupNewKeyBackup: true, setupNewSecretStorage: true }
  await first.crypto.bootstrapSecretStorage({ createSecretStorageKey: async () => recovery, ...options })
  assert.ok(await isVerified(first.crypto, alice, first.client.getDeviceId()!))
  await first.crypto.startDehydration({ createNewKey: true })

  // A message that the first device reads, and keeps the key of.
  const sender = await devices.login('bob')
  const encryption = { type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }
  const { room_id: roomId } = await sender.client.createRoom({ invite: [alice], initial_state: [encryption] })
  await until('the invite', () => first.client.getRoom(roomId))
  await first.client.joinRoom(roomId)
  await until('the join', () => sender.client.getRoom(roomId)?.getMember(alice)?.membership === 'join')
  const { event_id: early } = await sender.client.sendTextMessage(roomId, 'early')
  const textIn = (client: MatrixClient, eventId: string) =>
    client.getRoom(roomId)?.findEventById(eventId)?.getClearContent()?.['body']
  await until('alice to read it', () => textIn(first.client, early) === 'early')
  await until('the backup', async () => (await backupOf(first.client)).count === 1)

  // One that comes while nobody is logged in but the dehydrated device.
  await first.client.logout(true)
  await until('bob to know', async () => {
    const known = await sender.crypto.getUserDeviceInfo([alice], true)
    return [...(known.get(alice)?.values() ?? [])].every((device) => device.dehydrated)
  })
  const { event_id: late } = await sender.client.sendTextMessage(roomId, 'late')

  const second = await devices.login('alice')
  await second.crypto.bootstrapCrossSigning({})
  await until('to be verified', () => isVerified(second.crypto, alice, second.client.getDeviceId()!))
  await second.crypto.loadSessionBackupPrivateKeyFromSecretStorage()
  assert.deepEqual(await second.crypto.restoreKeyBackup(), { total: 1, imported: 1 })
  await second.crypto.startDehydration()
  for (const [eventId, text] of [
    [early, 'early'],
    [late, 'late'],
  ] as const) {
    await until(`alice to read '${text}' again`, () => textIn(second.client, eventId) === text)
  }
  assert.equal(bob, sender.client.getUserId())
  assert.doesNotMatch(hearth.output, /"level":(?:50|60)/, hearth.output)
})

it('two devices meet by MSC4108', async () => {
  await using hearth = await Hearth.start()
  const client = await registerWithSdk(hearth.url, 'alice')
  const onFailure = (reason: string) => assert.fail(reason)
  const one = new MSC4108RendezvousSession({ client, onFailure })
  await one.send('from one')
  const two = new MSC4108RendezvousSession({ url: one.url!, onFailure })
  assert.equal(await two.receive(), 'from one')
  await two.send('from two')
  assert.equal(await one.receive(), 'from two')
  await one.close()
})
