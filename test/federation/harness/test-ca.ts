/** A certificate authority for tests, made by the `openssl` command in a folder of its own. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const DAYS = '30'
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** Files in PEM. */
export type Certificate = { readonly certFile: string; readonly keyFile: string }

export class TestCa implements Disposable {
  readonly folder: string
  /** What those who are to trust it must know. */
  readonly caFile: string
  readonly #keyFile: string
  #made = 0

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'hearth-ca-'))
    this.caFile = join(this.folder, 'ca.crt')
    this.#keyFile = join(this.folder, 'ca.key')
    const files = ['-keyout', this.#keyFile, '-out', this.caFile]
    openssl(['req', '-x509', ...NEW_KEY, ...files, '-days', DAYS, '-subj', '/CN=Test authority'])
  }

  get cert(): string {
    return readFileSync(this.caFile, 'utf8')
  }

  /** A certificate for host names and IP addresses. */
  issue(...names: readonly string[]): Certificate {
    this.#made += 1
    const file = (ending: string) => join(this.folder, `${this.#made}.${ending}`)
    const [certFile, keyFile, request, extensions] = [file('crt'), file('key'), file('csr'), file('ext')]
    const alternatives = names.map((name) => `${isIP(name) === 0 ? 'DNS' : 'IP'}:${name}`)
    writeFileSync(extensions, `subjectAltName=${alternatives.join(',')}\nextendedKeyUsage=serverAuth\n`)
    openssl(['req', '-new', ...NEW_KEY, '-keyout', keyFile, '-out', request, '-subj', '/CN=Test server'])
    const by = ['-CA', this.caFile, '-CAkey', this.#keyFile, '-CAcreateserial']
    openssl(['x509', '-req', '-in', request, ...by, '-out', certFile, '-days', DAYS, '-extfile', extensions])
    return { certFile, keyFile }
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
