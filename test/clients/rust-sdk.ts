/**
 * matrix-rust-sdk against this server: it pages back after a typing notice. Needs cargo, and builds for minutes the
 * first time, so it isn't among what CI runs: `npm run clients:rust`.
 */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startHearth } from '#test/harness/hearth.ts'
import { RoomClient } from '#test/harness/room-client.ts'

const FOLDER = join(import.meta.dirname, 'rust-sdk')
const MESSAGES = 30

await build()
await using hearth = await startHearth()
const [alice, bob] = [await hearth.user('alice'), await hearth.user('bob')]
const [reader, writer] = [new RoomClient(hearth, alice), new RoomClient(hearth, bob)]
const roomId = await reader.createRoom({ preset: 'public_chat' })
await writer.join(roomId)
for (let i = 0; i < MESSAGES; i += 1) await writer.send(roomId)
const { chunk } = await reader.get('getRoomEvents', `/rooms/${roomId}/messages?dir=b&limit=100`)
const expected = chunk.map(({ event_id }: { event_id: string }) => event_id)

const program = join(FOLDER, 'target/debug/rust-sdk-client')
const { stdout } = await promisify(execFile)(
  program,
  [hearth.url, roomId, 'alice', alice.password, 'bob', bob.password],
  { timeout: 60_000 },
)
const told = new Map(stdout.split('\n').map((line) => line.split(': ') as [string, string]))
assert.deepEqual(told.get('messages')?.split(' '), expected)
assert.deepEqual(told.get('event cache')?.split(' '), expected)
assert.deepEqual(new Set(told.get('members')?.split(' ')), new Set([alice.userId, bob.userId]))
console.log(`matrix-rust-sdk read all ${expected.length} events back from a typing notice.`)

async function build(): Promise<void> {
  const cargo = spawn('cargo', ['build', '--locked'], { cwd: FOLDER, stdio: 'inherit' })
  const [code] = await once(cargo, 'close')
  assert.equal(code, 0, 'cargo build failed')
}
