import { createHmac } from 'node:crypto'
import { constantTimeEqual, encodeBase64Url } from '#core/crypto.ts'
import type { DeviceId } from '#core/ids.ts'
import { forbidden, invalidParam, unrecognized } from '#core/matrix-error.ts'
import type { Registered, Registration } from '#services/accounts/registration.ts'
import type { RandomBytes } from '#services/accounts/secrets.ts'

export const NONCE_LIFETIME_MS = 60_000
/** Nonces that wait to be used; the oldest go first. They are known to this process only. */
const NONCES_MAX = 1_000
const NONCE_BYTES = 32

export type SharedSecretRequest = {
  readonly nonce: string
  readonly username: string
  readonly password: string
  readonly admin: boolean
  /** Hexadecimal. */
  readonly mac: string
  readonly inhibitLogin: boolean
}

/** Registration by scripts that know the configured secret, in the form that Matrix tools speak. */
export class SharedSecretRegistration {
  readonly #secret: string | null
  readonly #registration: Registration
  readonly #clock: () => number
  readonly #randomBytes: RandomBytes
  /** Nonces with the time when they end, oldest first. */
  readonly #nonces = new Map<string, number>()

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
  }

  /** A nonce for one request. @throws MatrixError M_UNRECOGNIZED when no secret is configured */
  nonce(): string {
    this.#configuredSecret()
    this.#forgetOld()
    const nonce = encodeBase64Url(this.#randomBytes(NONCE_BYTES))
    this.#nonces.set(nonce, this.#clock() + NONCE_LIFETIME_MS)
    return nonce
  }

  /** @throws MatrixError M_UNRECOGNIZED, M_INVALID_PARAM (nonce), M_FORBIDDEN (mac), and those of registration */
  async register(request: SharedSecretRequest): Promise<Registered> {
    const secret = this.#configuredSecret()
    this.#forgetOld()
    // Whatever comes of it, a nonce is used once.
    if (!this.#nonces.delete(request.nonce)) throw invalidParam('The nonce is unknown or has expired')
    const mac = createHmac('sha1', secret).update(signedText(request)).digest('hex')
    if (!constantTimeEqual(mac, request.mac.toLowerCase())) throw forbidden('The mac is wrong')
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

  #forgetOld(): void {
    const now = this.#clock()
    for (const [nonce, endsTs] of this.#nonces) {
      if (endsTs > now && this.#nonces.size < NONCES_MAX) return
      this.#nonces.delete(nonce)
    }
  }
}

function signedText({ nonce, username, password, admin }: SharedSecretRequest): string {
  return [nonce, username, password, admin ? 'admin' : 'notadmin'].join('\0')
}
