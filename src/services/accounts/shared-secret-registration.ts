import { createHmac } from 'node:crypto'
import { constantTimeEqual, encodeBase64Url } from '#core/crypto.ts'
import type { DeviceId } from '#core/ids.ts'
import { forbidden, invalidParam, unrecognized } from '#core/matrix-error.ts'
import type { Registered, Registration } from '#services/accounts/registration.ts'
import type { RandomBytes } from '#services/accounts/secrets.ts'

export const NONCE_LIFETIME_MS = 60_000
const NONCE_BYTES = 16
const NONCE_KEY_BYTES = 32
const NONCE = /^([\w-]{22}\.([0-9]{1,16}))\.[\w-]{43}$/

export type SharedSecretRequest = {
  readonly nonce: string
  readonly username: string
  readonly password: string
  readonly admin: boolean
  /** Hexadecimal. */
  readonly mac: string
  readonly inhibitLogin: boolean
}

/**
 * Registration by scripts that know the configured secret, in the form that Matrix tools speak. A nonce says itself until
 * when it is good, authenticated by a key of this process: nothing is kept for those who only ask for one, so nobody can
 * push out the nonces of others.
 */
export class SharedSecretRegistration {
  readonly #secret: string | null
  readonly #registration: Registration
  readonly #clock: () => number
  readonly #randomBytes: RandomBytes
  readonly #nonceKey: Uint8Array
  /** Nonces of requests that knew the secret, with the time when they end, oldest first. */
  readonly #used = new Map<string, number>()

  constructor(deps: {
    secret: string | null
    registration: Registration
    clock: () => number
    randomBytes: RandomBytes
  }) {
    this.#secret = deps.secret
    this.#registration = deps.registration
    this.#clock = deps.clock
    this.#randomBytes = deps.randomBytes
    this.#nonceKey = deps.randomBytes(NONCE_KEY_BYTES)
  }

  /** A nonce for one request. @throws MatrixError M_UNRECOGNIZED when no secret is configured */
  nonce(): string {
    this.#configuredSecret()
    const stem = `${encodeBase64Url(this.#randomBytes(NONCE_BYTES))}.${this.#clock() + NONCE_LIFETIME_MS}`
    return `${stem}.${this.#seal(stem)}`
  }

  /** @throws MatrixError M_UNRECOGNIZED, M_INVALID_PARAM (nonce), M_FORBIDDEN (mac), and those of registration */
  async register(request: SharedSecretRequest): Promise<Registered> {
    const secret = this.#configuredSecret()
    const endsTs = this.#endOf(request.nonce)
    if (endsTs === null || this.#used.has(request.nonce)) throw invalidParam('The nonce is unknown or has expired')
    const mac = createHmac('sha1', secret).update(signedText(request)).digest('hex')
    if (!constantTimeEqual(mac, request.mac.toLowerCase())) throw forbidden('The mac is wrong')
    // Whatever comes of it: the request can't be repeated.
    this.#forgetOld()
    this.#used.set(request.nonce, endsTs)
    const session = { deviceId: null as DeviceId | null, displayName: null, refreshable: false }
    const wish = {
      username: request.username,
      password: request.password,
      admin: request.admin,
      session: request.inhibitLogin ? null : session,
    }
    return this.#registration.register(wish, null)
  }

  #configuredSecret(): string {
    if (this.#secret === null) throw unrecognized('Registration with a shared secret is not configured')
    return this.#secret
  }

  #seal(stem: string): string {
    return encodeBase64Url(createHmac('sha256', this.#nonceKey).update(stem).digest())
  }

  /** Until when a nonce is good; null for one that isn't, or isn't ours. */
  #endOf(nonce: string): number | null {
    const match = NONCE.exec(nonce)
    if (match === null) return null
    const [stem, endsTs] = [match[1]!, Number(match[2])]
    if (!constantTimeEqual(nonce, `${stem}.${this.#seal(stem)}`)) return null
    // A clock that was set back makes none last longer.
    const leftMs = endsTs - this.#clock()
    return leftMs > 0 && leftMs <= NONCE_LIFETIME_MS ? endsTs : null
  }

  #forgetOld(): void {
    const now = this.#clock()
    for (const [nonce, endsTs] of this.#used) if (endsTs <= now) this.#used.delete(nonce)
  }
}

function signedText({ nonce, username, password, admin }: SharedSecretRequest): string {
  return [nonce, username, password, admin ? 'admin' : 'notadmin'].join('\0')
}
