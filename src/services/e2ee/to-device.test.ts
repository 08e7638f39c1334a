import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { ServerName, UserId } from '#core/ids.ts'
import { canonicalByteLength } from '#core/json/canonical.ts'
import type { JsonObject } from '#core/json/value.ts'
import { ToDevice, type ToDeviceContents } from '#services/e2ee/to-device.ts'
import { TO_DEVICE_BYTES_MAX } from '#services/e2ee/to-device-limits.ts'
import { openStore } from '#store/sql/open.ts'
import type { Store } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'

const HERE = 'here.test' as ServerName
const [FAR, WIDE] = ['far.test', 'wide.test'] as [ServerName, ServerName]
const ALICE = `@alice:${HERE}` as UserId

let dataDir: string
let store: Store
let alice: UserNid
before(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'hearth-to-device-'))
  const log = { info() {}, warn() {}, error() {} }
  store = await openStore({ database: 'sqlite', dataDir, serverName: HERE, clock: () => 1, log })
  alice = await store.write((tx) => tx.users.intern(ALICE))
})
after(async () => {
  await store[Symbol.asyncDispose]()
  rmSync(dataDir, { recursive: true, force: true })
})

let transactions = 0
/** Sends to other servers, and returns the EDUs that are queued for each, and who was told of them. */
async function send(contents: Readonly<Record<string, Readonly<Record<string, JsonObject>>>>) {
  const told: ServerName[] = []
  const toDevice = new ToDevice({ store, serverName: HERE, randomBytes })
  toDevice.sendBy((server) => told.push(server))
  const byUser = new Map(
    Object.entries(contents).map(([userId, devices]) => [userId as UserId, new Map(Object.entries(devices))]),
  ) satisfies ToDeviceContents
  const transaction = { userNid: alice, deviceId: 'A', eventType: 'm.test', txnId: `t${transactions++}` }
  await toDevice.send({ sender: ALICE, transaction, contents: byUser })
  const queued = await store.write(async (tx) => {
    const edus = [await tx.outbound.edus(FAR, 1_000), await tx.outbound.edus(WIDE, 1_000)]
    await tx.outbound.dropEdus(edus.flat().map(({ id }) => id))
    return edus.map((some) => some.map(({ edu }) => edu))
  })
  return { far: queued[0]!, wide: queued[1]!, told }
}
const contentOf = (edu: JsonObject) =>
  edu['content'] as { message_id: string; sender: string; type: string; messages: Record<string, JsonObject> }

test('messages for one server go in one EDU, those for another in another', async () => {
  const { far, wide, told } = await send({
    [`@a:${FAR}`]: { D1: { n: 1 }, '*': { n: 2 } },
    [`@b:${FAR}`]: { D2: { n: 3 } },
    [`@c:${WIDE}`]: { D3: { n: 4 } },
    [ALICE]: { A: { n: 5 } },
  })
  assert.equal(far.length, 1)
  const { message_id: id, ...content } = contentOf(far[0]!)
  assert.deepEqual(content, {
    sender: ALICE,
    type: 'm.test',
    messages: { [`@a:${FAR}`]: { D1: { n: 1 }, '*': { n: 2 } }, [`@b:${FAR}`]: { D2: { n: 3 } } },
  })
  assert.ok(id.length > 0 && id.length <= 32)
  assert.equal(wide.length, 1)
  assert.notEqual(contentOf(wide[0]!).message_id, id)
  assert.deepEqual(told.sort(), [FAR, WIDE])
})

test('S52: no EDU is longer than others take, and none of the messages is missing', async () => {
  const devices = Array.from({ length: 60 }, (_, i) => `DEVICE${i}`)
  const body = 'x'.repeat(10_000)
  const users = [`@a:${FAR}`, `@b:${FAR}`]
  const each = Object.fromEntries(devices.map((device) => [device, { device, body }]))
  const { far } = await send(Object.fromEntries(users.map((user) => [user, each])))
  assert.ok(far.length > 1)
  const seen: string[] = []
  for (const edu of far) {
    assert.ok(canonicalByteLength(edu) <= TO_DEVICE_BYTES_MAX)
    for (const [user, some] of Object.entries(contentOf(edu).messages)) {
      for (const [device, content] of Object.entries(some)) {
        assert.deepEqual(content, { device, body })
        seen.push(`${user} ${device}`)
      }
    }
  }
  assert.deepEqual(seen.sort(), users.flatMap((user) => devices.map((device) => `${user} ${device}`)).sort())
  assert.equal(new Set(far.map((edu) => contentOf(edu).message_id)).size, far.length)
})

test('the same transaction once more queues nothing and tells nobody', async () => {
  const messages = { [`@a:${FAR}`]: { D: { n: 1 } } }
  await send(messages)
  transactions -= 1
  assert.deepEqual(await send(messages), { far: [], wide: [], told: [] })
})
