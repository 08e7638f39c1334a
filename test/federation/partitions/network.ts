/**
 * A small network of network namespaces: one for each server, all at one bridge, whose cables can be cut. Runs inside a
 * namespace of its own (see `inNamespaces`), with which everything here goes away. Wants root there, and `ip`.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const NOWHERE = '02:ff:ff:ff:ff:ff'
const hardwareAddress = (host: number) => `02:00:00:00:00:0${host}`

/** Where the servers see a host. */
export const address = (host: number) => `10.88.0.${host}`
/** Where the test sees it, whatever becomes of the network between the servers. */
export const controlAddress = (host: number) => `10.77.${host}.2`

export class Network implements Disposable {
  readonly hosts: readonly number[]
  readonly #holders: readonly ChildProcess[]

  private constructor(holders: readonly ChildProcess[]) {
    this.#holders = holders
    this.hosts = holders.map((_holder, index) => index + 1)
  }

  /** Hosts 1 to `count`, connected. */
  static async make(count: number): Promise<Network> {
    const own = readlinkSync('/proc/self/ns/net')
    const holders = Array.from({ length: count }, () => spawn('unshare', ['--net', 'sleep', 'infinity']))
    for (const { pid } of holders) {
      while (readlinkSync(`/proc/${pid}/ns/net`) === own) await sleep(5)
    }
    const network = new Network(holders)
    ip('link', 'set', 'lo', 'up')
    ip('link', 'add', 'bridge0', 'type', 'bridge')
    ip('link', 'set', 'bridge0', 'up')
    for (const host of network.hosts) network.#connect(host)
    network.heal()
    return network
  }

  /** The command that runs a command on a host. */
  command(host: number, ...command: readonly string[]): [string, ...string[]] {
    return ['nsenter', '-t', String(this.#holders[host - 1]?.pid), '-n', ...command]
  }

  /** Pulls a host's cable. */
  unplug(host: number): void {
    ip('link', 'set', `lan${host}`, 'down')
  }

  /** Loses without a trace what `from` sends to `to`; the other direction works. */
  cut(from: number, to: number): void {
    this.#neighbour(from, to, NOWHERE)
  }

  /** Everything reaches everybody again. */
  heal(): void {
    for (const host of this.hosts) {
      ip('link', 'set', `lan${host}`, 'up')
      for (const other of this.hosts) if (other !== host) this.#neighbour(host, other, hardwareAddress(other))
    }
  }

  [Symbol.dispose](): void {
    for (const holder of this.#holders) holder.kill('SIGKILL')
  }

  #connect(host: number): void {
    const holder = String(this.#holders[host - 1]?.pid)
    ip('link', 'add', `lan${host}`, 'type', 'veth', 'peer', 'name', 'lan0', 'netns', holder)
    ip('link', 'set', `lan${host}`, 'master', 'bridge0', 'up')
    ip('link', 'add', `control${host}`, 'type', 'veth', 'peer', 'name', 'control0', 'netns', holder)
    ip('address', 'add', `10.77.${host}.1/30`, 'dev', `control${host}`)
    ip('link', 'set', `control${host}`, 'up')
    this.#on(host, 'link', 'set', 'lo', 'up')
    this.#on(host, 'link', 'set', 'lan0', 'address', hardwareAddress(host))
    this.#on(host, 'address', 'add', `${address(host)}/24`, 'dev', 'lan0')
    this.#on(host, 'link', 'set', 'lan0', 'up')
    this.#on(host, 'address', 'add', `${controlAddress(host)}/30`, 'dev', 'control0')
    this.#on(host, 'link', 'set', 'control0', 'up')
  }

  #neighbour(host: number, other: number, hardware: string): void {
    this.#on(host, 'neighbour', 'replace', address(other), 'lladdr', hardware, 'nud', 'permanent', 'dev', 'lan0')
  }

  #on(host: number, ...args: readonly string[]): void {
    const [command, ...rest] = this.command(host, 'ip', ...args)
    execFileSync(command, rest, { stdio: ['ignore', 'ignore', 'pipe'] })
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

const UNSHARE = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc']
const unshare = () => (process.getuid?.() === 0 ? UNSHARE : ['--user', '--map-root-user', ...UNSHARE])

/** Why there can be no such network on this machine; null where there can. */
export function namespaceObstacle(): { readonly what: string; readonly isForbidden: boolean } | null {
  const probe = [
    'ip link add probe0 type veth peer name probe1',
    'ip link add probe2 type bridge',
    'nsenter -t $$ -n true',
  ].join(' && ')
  try {
    execFileSync('unshare', [...unshare(), 'sh', '-c', probe], {
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    })
    return null
  } catch (error) {
    const what = String((error as { stderr?: string }).stderr || error).trim()
    return { what, isForbidden: /not permitted|denied|not supported|unknown device type/i.test(what) }
  }
}

/** Runs a file of ours in namespaces that end with it. Resolves with its exit code. */
export function inNamespaces(file: string, onLine: (line: string) => void): Promise<number | null> {
  // Whatever ends this process ends the namespaces, and all that runs in them.
  const command = ['--pdeathsig', 'KILL', 'unshare', ...unshare(), process.execPath, file]
  const child = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'pipe'] })
  let rest = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) onLine(line)
    })
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code))
  })
}
