/** A name server over UDP that answers at once, late or never. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** What there is of a name. */
export type DnsName = {
  readonly a?: readonly string[]
  /** Each of 32 hexadecimal digits. */
  readonly aaaa?: readonly string[]
  readonly srv?: { readonly port: number; readonly target: string }
  /** Until the answer; it never comes where this is infinite. */
  readonly delayMs?: number
  /** Instead of `delayMs`, for questions of this type. */
  readonly delayMsOf?: Readonly<Partial<Record<DnsType, number>>>
}

const TYPES = { A: 1, AAAA: 28, SRV: 33 } as const
export type DnsType = keyof typeof TYPES

const HEADER_BYTES = 12
const ANSWER = 0x8180
const NAME_ERROR = 3
/** To the name of the question. */
const POINTER = 0xc00c

export class DnsServer implements AsyncDisposable {
  /** By name, in lower case. Names that aren't here don't exist. */
  readonly names = new Map<string, DnsName>()
  /** The questions so far, repeated ones too: `A good.example`. */
  readonly asked: string[] = []
  readonly #socket: Socket
  readonly #timers = new Set<NodeJS.Timeout>()
  /** `host:port`. */
  readonly address: string

  private constructor(socket: Socket) {
    this.#socket = socket
    this.address = `127.0.0.1:${socket.address().port}`
    socket.on('message', (message, from) => this.#take(message, from))
  }

  static async start(): Promise<DnsServer> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new DnsServer(socket)
  }

  /** How often was asked about a name and those below it. */
  askedAbout(name: string): number {
    return this.asked.filter((question) => question.endsWith(` ${name}`) || question.endsWith(`.${name}`)).length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#socket.close()
    await once(this.#socket, 'close')
  }

  #take(message: Buffer, from: RemoteInfo): void {
    const { name, typeNumber, end } = readQuestion(message)
    const type = (Object.keys(TYPES) as DnsType[]).find((key) => TYPES[key] === typeNumber)
    if (type === undefined) return
    this.asked.push(`${type} ${name}`)
    const found = this.names.get(name)
    const delayMs = found?.delayMsOf?.[type] ?? found?.delayMs ?? 0
    if (!Number.isFinite(delayMs)) return
    const records = found === undefined ? [] : recordsOf(found, type)
    const header = Buffer.alloc(HEADER_BYTES)
    header.writeUInt16BE(message.readUInt16BE(0), 0)
    header.writeUInt16BE(found === undefined ? ANSWER | NAME_ERROR : ANSWER, 2)
    header.writeUInt16BE(1, 4)
    header.writeUInt16BE(records.length, 6)
    const answers = records.map((data) => {
      const fixed = Buffer.alloc(12)
      fixed.writeUInt16BE(POINTER, 0)
      fixed.writeUInt16BE(typeNumber, 2)
      fixed.writeUInt16BE(1, 4)
      fixed.writeUInt32BE(60, 6)
      fixed.writeUInt16BE(data.length, 10)
      return Buffer.concat([fixed, data])
    })
    const answer = Buffer.concat([header, message.subarray(HEADER_BYTES, end), ...answers])
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#socket.send(answer, from.port, from.address)
    }, delayMs)
    this.#timers.add(timer)
  }
}

function readQuestion(message: Buffer): { name: string; typeNumber: number; end: number } {
  const labels: string[] = []
  let at = HEADER_BYTES
  for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), typeNumber: message.readUInt16BE(at + 1), end: at + 5 }
}

function recordsOf({ a = [], aaaa = [], srv }: DnsName, type: DnsType): Buffer[] {
  if (type === 'A') return a.map((address) => Buffer.from(address.split('.').map(Number)))
  if (type === 'AAAA') return aaaa.map((digits) => Buffer.from(digits, 'hex'))
  if (srv === undefined) return []
  const labels = srv.target.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)]))
  // Priority and weight are 0.
  const data = Buffer.from([0, 0, 0, 0, srv.port >> 8, srv.port & 0xff])
  return [Buffer.concat([data, ...labels, Buffer.of(0)])]
}
