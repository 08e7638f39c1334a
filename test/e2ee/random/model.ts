/** What the protocol lets devices read: the model that scripts of actions are judged by. */
import { type EncryptedDevice, nameOf, reads } from '#test/e2ee/harness/encrypted-device.ts'
import type { User } from '#test/e2ee/harness/scene.ts'

export type Player = {
  readonly device: EncryptedDevice
  readonly user: User
  isPaused: boolean
}

type Message = {
  readonly eventId: string
  readonly text: string
  /** Who is to read it, and wasn't looked at yet. */
  readonly readers: Set<Player>
  readonly readBy: Set<Player>
}

/** Who says what to whom in one room. */
export class Model {
  readonly players: Player[] = []
  readonly joined = new Set<User>()
  /** Server names. */
  readonly down = new Set<string>()
  /** Reader's readings that were waited for. */
  checked = 0
  /** Readings that were not waited for, since no key could be claimed while a server was down. */
  excused = 0
  readonly #messages: Message[] = []
  /** Pairs that have an Olm session, as `sender>reader`. */
  readonly #sessions = new Set<string>()
  /** Which server a sender couldn't claim keys from, as `sender>server`: for a while it won't try again. */
  readonly #failing = new Set<string>()
  #said = 0

  isUp({ user }: Player): boolean {
    return !this.down.has(user.server.serverName)
  }
  devicesOf(user: User): Player[] {
    return this.players.filter((player) => player.user === user)
  }
  /** Those who are in the room and can act. */
  active(): Player[] {
    return this.players.filter((player) => this.joined.has(player.user) && !player.isPaused && this.isUp(player))
  }

  /**
   * Sends a message. It is to be read by each device that the sender knew when it began, of those whose users are in the
   * room; a key for it went to those with whom the sender has a session, or from whose server it could claim a key.
   */
  async say(sender: Player, roomId: string): Promise<void> {
    const text = `${this.#said++} from ${nameOf(sender.device)}`
    const joined = this.players.filter(({ user }) => this.joined.has(user))
    const members = sender.device.membersOf(roomId) ?? new Set()
    const known = await sender.device.devicesOf([...members])
    const readers = joined.filter(({ device }) => known.get(device.userId)?.has(device.deviceId))
    const addressed = readers.filter((reader) => reader === sender || this.#hasKey(sender, reader))
    this.excused += readers.length - addressed.length
    const eventId = await sender.device.send(roomId, text)
    // Whoever was deleted meanwhile, or is, need not read it.
    this.#messages.push({ eventId, text, readers: new Set(addressed), readBy: new Set() })
  }

  #hasKey(sender: Player, reader: Player): boolean {
    const pair = `${sender.device.deviceId}>${reader.device.deviceId}`
    const server = reader.user.server.serverName
    const toServer = `${sender.device.deviceId}>${server}`
    if (this.#sessions.has(pair)) return true
    if (this.down.has(server)) this.#failing.add(toServer)
    if (this.#failing.has(toServer)) return false
    this.#sessions.add(pair)
    return true
  }

  /** All that these devices are to read, they have read. @throws Error naming who couldn't read what */
  async settle(players: readonly Player[]): Promise<void> {
    const wanted = new Set(players)
    const due = this.#messages.flatMap((message) =>
      [...message.readers].filter((reader) => wanted.has(reader)).map((reader) => ({ message, reader })),
    )
    await Promise.all(
      due.map(async ({ message, reader }) => {
        const text = await reads(reader.device, message.eventId).catch((error: Error) => {
          throw new Error(`"${message.text}": ${error.message}`, { cause: error })
        })
        if (text !== message.text) throw new Error(`${message.eventId} says ${text} instead of ${message.text}`)
        message.readers.delete(reader)
        message.readBy.add(reader)
        this.checked += 1
      }),
    )
  }

  /** What the device was seen to have read, as event ids. */
  readBy(player: Player): string[] {
    return this.#messages.filter(({ readBy }) => readBy.has(player)).map(({ eventId }) => eventId)
  }

  /** The device is no more, and nobody waits for it. */
  forget(player: Player): void {
    this.players.splice(this.players.indexOf(player), 1)
    for (const { readers } of this.#messages) readers.delete(player)
  }
}
