/** The signing side of a device and of a user's cross-signing, with real keys. */
import { randomBytes } from 'node:crypto'
import { encodeBase64 } from '#core/crypto.ts'
import { type Signer, signerFromSeed, signJson } from '#core/event/sign.ts'
import type { JsonObject } from '#core/json/value.ts'

type Owner = { readonly userId: string; readonly deviceId: string }

/** A device with an Ed25519 key of its own. What it calls Curve25519 keys are as good as any for a server. */
export class CryptoDevice {
  readonly owner: Owner
  readonly signer: Signer
  readonly #curveKey = encodeBase64(randomBytes(32))

  constructor(owner: Owner) {
    this.owner = owner
    this.signer = signerFromSeed(owner.userId, owner.deviceId, randomBytes(32))
  }

  get keyId(): string {
    return this.signer.keyId
  }

  /** The device's identity keys before anybody signed them. */
  unsignedKeys(more: JsonObject = {}): JsonObject {
    const { userId, deviceId } = this.owner
    return {
      user_id: userId,
      device_id: deviceId,
      algorithms: ['m.olm.v1.curve25519-aes-sha2', 'm.megolm.v1.aes-sha2'],
      keys: { [`curve25519:${deviceId}`]: this.#curveKey, [this.keyId]: encodeBase64(this.signer.publicKey) },
      ...more,
    }
  }

  deviceKeys(more: JsonObject = {}): JsonObject {
    return this.sign(this.unsignedKeys(more))
  }

  sign(json: JsonObject): JsonObject {
    return signJson(json, this.signer)
  }

  /** `count` one-time keys, named from `first` on. */
  oneTimeKeys(count: number, first = 0): Record<string, JsonObject> {
    const names = Array.from({ length: count }, (_, i) => `signed_curve25519:${String(first + i).padStart(6, '0')}`)
    return Object.fromEntries(names.map((name) => [name, this.sign({ key: encodeBase64(randomBytes(32)) })]))
  }

  fallbackKey(keyId = 'fallback'): Record<string, JsonObject> {
    const key = this.sign({ key: encodeBase64(randomBytes(32)), fallback: true })
    return { [`signed_curve25519:${keyId}`]: key }
  }
}

/** One cross-signing key. Its id is its public half. */
export class CrossSigningPair {
  readonly userId: string
  readonly usage: string
  readonly signer: Signer
  readonly publicKey: string

  constructor(userId: string, usage: string, seed: Uint8Array = randomBytes(32)) {
    this.userId = userId
    this.usage = usage
    this.publicKey = encodeBase64(signerFromSeed(userId, '', seed).publicKey)
    this.signer = signerFromSeed(userId, this.publicKey, seed)
  }

  key(): JsonObject {
    return {
      user_id: this.userId,
      usage: [this.usage],
      keys: { [`ed25519:${this.publicKey}`]: this.publicKey },
    }
  }

  sign(json: JsonObject): JsonObject {
    return signJson(json, this.signer)
  }
}

/** All three keys of a user. */
export class CrossSigningKeys {
  readonly master: CrossSigningPair
  readonly selfSigning: CrossSigningPair
  readonly userSigning: CrossSigningPair

  constructor(userId: string, master = new CrossSigningPair(userId, 'master')) {
    this.master = master
    this.selfSigning = new CrossSigningPair(userId, 'self_signing')
    this.userSigning = new CrossSigningPair(userId, 'user_signing')
  }

  /** The body of `/keys/device_signing/upload`. */
  upload(): Record<string, JsonObject> {
    return {
      master_key: this.master.key(),
      self_signing_key: this.master.sign(this.selfSigning.key()),
      user_signing_key: this.master.sign(this.userSigning.key()),
    }
  }
}
