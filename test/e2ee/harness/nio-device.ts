/** A device on matrix-nio with libolm, in a process of its own: an implementation that shares no code with the SDK. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { EncryptedDevice, Reading } from '#test/e2ee/harness/encrypted-device.ts'
import { News } from '#test/e2ee/harness/news.ts'
import { Api, type Body } from '#test/system/harness/api.ts'

const SCRIPT = fileURLToPath(new URL('nio_device.py', import.meta.url))
/** Debian's python3-matrix-nio belongs to Debian's Python. */
const PYTHON = '/usr/bin/python3'
const PASSWORD = 'sesame'
const OUTPUT_CHARS_MAX = 20_000

export class NioDevice implements EncryptedDevice {
  readonly kind = 'nio'
  readonly news = new News()
  readonly #url: string
  readonly #child: ChildProcessWithoutNullStreams
  readonly #readings = new Map<string, Reading>()
  readonly #orders = new Map<number, PromiseWithResolvers<string>>()
  readonly #isReady = Promise.withResolvers<void>()
  #api: Api | null = null
  #invited: string[] = []
  #members: Record<string, string[]> = {}
  #devices: Record<string, string[]> = {}
  #ordered = 0
  #errors = ''

  private constructor(url: string, child: ChildProcessWithoutNullStreams) {
    this.#url = url
    this.#child = child
    createInterface(child.stdout).on('line', (line) => this.#heard(JSON.parse(line)))
    child.stderr.on('data', (text: Buffer) => {
      this.#errors = (this.#errors + text).slice(-OUTPUT_CHARS_MAX)
    })
    child.once('exit', () => {
      const error = new Error(`the nio device ended:\n${this.#errors}`)
      this.#isReady.reject(error)
      for (const order of this.#orders.values()) order.reject(error)
    })
  }

  /** A new device of an account, syncing. */
  static async login(url: string, userId: string): Promise<NioDevice> {
    const device = new NioDevice(url, spawn(PYTHON, [SCRIPT, url, userId, PASSWORD]))
    await device.#isReady.promise
    return device
  }

  get api(): Api {
    return this.#api!
  }
  get userId(): string {
    return this.api.userId
  }
  get deviceId(): string {
    return this.api.deviceId
  }

  async send(roomId: string, text: string): Promise<string> {
    await this.news.until(`${this.deviceId} to know that ${roomId} is encrypted`, () => this.membersOf(roomId))
    const id = this.#ordered++
    const answer = Promise.withResolvers<string>()
    this.#orders.set(id, answer)
    this.#child.stdin.write(`${JSON.stringify({ id, do: 'send', room: roomId, text })}\n`)
    return answer.promise
  }

  reading(eventId: string): Reading | null {
    return this.#readings.get(eventId) ?? null
  }

  isInvited(roomId: string): boolean {
    return this.#invited.includes(roomId)
  }

  membersOf(roomId: string): ReadonlySet<string> | null {
    const members = this.#members[roomId]
    return members === undefined ? null : new Set(members)
  }

  async devicesOf(userIds: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    return new Map(
      userIds.flatMap((userId) => {
        const devices = this.#devices[userId] ?? []
        // nio keeps no entry for itself.
        const own = userId === this.userId ? [this.deviceId] : []
        return devices.length + own.length === 0 ? [] : [[userId, new Set([...devices, ...own])]]
      }),
    )
  }

  pause(): void {
    this.#child.kill('SIGSTOP')
  }
  resume(): void {
    this.#child.kill('SIGCONT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  #heard(note: Body): void {
    if (note.id !== undefined) {
      const order = this.#orders.get(note.id)
      this.#orders.delete(note.id)
      if (note.error === undefined) order?.resolve(note.event_id)
      else order?.reject(new Error(`nio can't send: ${note.error}\n${this.#errors}`))
    } else if (note.token !== undefined) {
      const { user: user_id, device: device_id, token: access_token } = note
      this.#api = new Api(this.#url, { user_id, device_id, access_token })
      this.#isReady.resolve()
    } else if (note.members !== undefined) {
      this.#invited = note.invited
      this.#members = note.members
      this.#devices = note.devices
    } else {
      const { text, unreadable } = note
      this.#readings.set(note.event_id, text === undefined ? { unreadable } : { text })
    }
    this.news.tell()
  }
}
