/** The `hearth` command as a process of its own, for tests of what only a process can show. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { ROOT } from '#test/harness/source-file.ts'

function spawnHearth(args: readonly string[], options: { cwd: string; env?: Record<string, string> }): ChildProcess {
  const env = { PATH: process.env['PATH'], ...options.env }
  return spawn(process.execPath, [join(ROOT, 'src', 'main.ts'), ...args], { cwd: options.cwd, env, stdio: 'pipe' })
}

/** Starts a server and waits until it has printed a line that fits `ready`. */
export async function startHearth(
  args: readonly string[],
  options: { cwd: string; ready: RegExp; env?: Record<string, string> },
): Promise<{ child: ChildProcess; match: RegExpExecArray; exited: Promise<number | null>; output(): string }> {
  const child = spawnHearth(args, options)
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  let output = ''
  const match = await new Promise<RegExpExecArray>((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      output += chunk
      const found = options.ready.exec(output)
      if (found !== null) resolve(found)
    }
    child.stdout!.on('data', onData)
    child.stderr!.on('data', onData)
    exited.then((code) => reject(new Error(`hearth ended with ${code}:\n${output}`)))
  })
  return { child, match, exited, output: () => output }
}
