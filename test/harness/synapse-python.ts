import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The Python of a virtual environment that has Synapse: `HEARTH_SYNAPSE_VENV`, or one in the cache, made if absent. */
export function synapsePython(): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  const venv = process.env.HEARTH_SYNAPSE_VENV ?? join(cache, 'hearth', 'synapse-venv')
  const python = join(venv, 'bin', 'python')
  if (!existsSync(python)) execFileSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' })
  if (!canImportSynapse(python)) {
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', 'matrix-synapse'], { stdio: 'inherit' })
  }
  return python
}

function canImportSynapse(python: string): boolean {
  try {
    execFileSync(python, ['-c', 'import synapse.event_auth'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
