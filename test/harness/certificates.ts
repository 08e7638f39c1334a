/** A certificate authority for tests, made with the `openssl` command. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Certificate = {
  /** PEM. */
  readonly cert: string
  readonly key: string
  readonly certFile: string
  readonly keyFile: string
}

export type Authority = Disposable & {
  /** PEM. */
  readonly ca: string
  readonly caFile: string
  /** A certificate for DNS names and IP addresses, valid from a day ago for `days` days (negative: expired). */
  issue(names: readonly string[], days?: number): Certificate
}

export function makeAuthority(): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-ca-'))
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=Test CA')
  const caFile = join(folder, 'ca.crt')
  let count = 0

  return {
    ca: readFileSync(caFile, 'utf8'),
    caFile,
    issue(names, days = 2) {
      count += 1
      const [key, csr, crt, ext] = ['key', 'csr', 'crt', 'ext'].map((ending) => `${count}.${ending}`) as [
        string,
        string,
        string,
        string,
      ]
      const alternatives = names.map((name) => `${isIP(name) === 0 ? 'DNS' : 'IP'}:${name}`)
      writeFileSync(join(folder, ext), `subjectAltName=${alternatives}\n`)
      openssl('req', ...newKey, '-keyout', key, '-out', csr, '-subj', '/CN=test')
      const signing = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', ext, '-days', String(days)]
      openssl('x509', '-req', '-in', csr, '-out', crt, ...signing)
      const [certFile, keyFile] = [join(folder, crt), join(folder, key)]
      return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile, keyFile }
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
