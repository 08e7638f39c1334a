// Makes a checkout ready to run: installs the locked dependencies, and brings the pinned Node.js where the
// installed one can't run the server (older than 24.7). Plain JavaScript, because any Node from 20 on has to run it.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NODE_OLDEST = [24, 7]
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const pinned = join(root, 'tools', 'node')
const link = join(root, 'node_modules', '.bin', 'node')

/** Runs `npm ci` in `folder` unless what the lockfile asks for stands there already. */
function install(folder) {
  const digest = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex')
  const stamp = join(folder, 'node_modules', '.hearth-lock')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return
  console.log(`Installing dependencies in ${folder} …`)
  // npm hands its own path down; on Windows "npm" is a script that spawn can't run without a shell.
  const npm = process.env.npm_execpath
  const [command, args] = npm ? [process.execPath, [npm]] : ['npm', []]
  const done = spawnSync(command, [...args, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    stdio: 'inherit',
    // The outer `npm` run exports its own settings; --omit and the like must not leak in from there.
    env: { ...process.env, NODE_ENV: '' },
  })
  if (done.status !== 0) {
    console.error(`npm ci failed in ${folder}`)
    process.exit(done.status ?? 1)
  }
  writeFileSync(stamp, digest)
}

function tooOld() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  return major < NODE_OLDEST[0] || (major === NODE_OLDEST[0] && minor < NODE_OLDEST[1])
}

/** Where `node_modules/.bin/node` leads, so that a service can name one path whichever Node.js it is. */
function linkNode(target) {
  mkdirSync(dirname(link), { recursive: true })
  // `npm ci` in the root removes the link, and set-up itself may be running through it.
  rmSync(link, { force: true })
  symlinkSync(target, link)
}

install(root)
if (tooOld() || existsSync(join(pinned, 'node_modules'))) {
  install(pinned)
  linkNode('../../tools/node/node_modules/.bin/node')
} else {
  linkNode(process.execPath)
}

// A start from a packed program takes a third of the time; without it the sources run all the same.
const packing = spawnSync(link, [join(root, 'tools', 'pack.ts')], { stdio: 'inherit' })
if (packing.status !== 0) console.error('Packing the program failed; it runs from its sources')
