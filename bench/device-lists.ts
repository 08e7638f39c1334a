/** What a sync costs after one device changed, for somebody who shares many encrypted rooms with many people. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { parseConfig } from '#config/load.ts'
import { parseFilter } from '#core/filter/filter.ts'
import type { DeviceId, UserId } from '#core/ids.ts'
import type { Viewer } from '#services/timeline/client-events.ts'
import { parseToken, type StreamToken } from '#services/timeline/tokens.ts'
import { openStore } from '#store/sql/open.ts'
import type { Store } from '#store/store.ts'
import { ALICE, RoomFixture } from '#test/store/rooms/room-fixture.ts'
import { type OpenServices, openServices } from '../src/server.ts'

const ROOMS = 500
/** The tracked users, over rooms of which each is in so many. */
const ROOMS_OF_EACH = 5
const SYNCS = 200
const WARM_UP = 50
export const CPU_MS_MAX = 20

export type DeviceListFigures = {
  readonly rooms: number
  readonly tracked: number
  readonly memberships: number
  /** CPU of one incremental sync after one device change: all of them, and the dearest. */
  readonly cpuMs: number
  readonly worstCpuMs: number
  /** The same without any change. */
  readonly idleCpuMs: number
}

/** Several numbers of users, since the cost must not grow with them. */
export async function measureDeviceLists(quick: boolean): Promise<DeviceListFigures[]> {
  const figures: DeviceListFigures[] = []
  for (const tracked of quick ? [500] : [500, 5_000]) figures.push(await measure(tracked))
  return figures
}

export function printDeviceLists(figures: readonly DeviceListFigures[]): void {
  console.log(`An incremental sync after one device change, in ${ROOMS} encrypted rooms`)
  console.log('tracked users   memberships   CPU ms   worst   with no change   against the first')
  for (const { tracked, memberships, cpuMs, worstCpuMs, idleCpuMs } of figures) {
    const ratio = cpuMs / (figures[0]?.cpuMs ?? cpuMs)
    const columns = [
      tracked,
      memberships,
      cpuMs.toFixed(2),
      worstCpuMs.toFixed(2),
      idleCpuMs.toFixed(2),
      ratio.toFixed(2),
    ]
    console.log(columns.map((column) => String(column).padStart(13)).join(' '))
  }
}

async function measure(tracked: number): Promise<DeviceListFigures> {
  const dataDir = mkdtempSync(join(tmpdir(), 'hearth-bench-'))
  try {
    await using world = await open(dataDir)
    const { store, opened } = world
    const users = Array.from({ length: tracked }, (_, i) => `@user${i}:elsewhere.example` as UserId)
    const viewer = await populate(store, users)
    const request = { viewer, timeoutMs: 0, filter: parseFilter({}), fullState: false, stateAfter: null }
    let since: StreamToken | null = null
    const sync = async (): Promise<{ cpuMs: number; changed: readonly string[] }> => {
      const before = process.cpuUsage()
      const answer = await opened.services.sync.sync({ ...request, since }, new AbortController().signal)
      const { user, system } = process.cpuUsage(before)
      since = parseToken(answer.next_batch) as StreamToken
      return { cpuMs: (user + system) / 1_000, changed: answer.device_lists.changed }
    }
    await sync()
    const idle: number[] = []
    const busy: number[] = []
    for (let i = 0; i < WARM_UP + SYNCS; i++) {
      const nothing = await sync()
      const userId = users[(i * 37) % users.length]!
      await store.write(async (tx) => tx.devices.recordListChange(await tx.users.intern(userId), null))
      const { cpuMs, changed } = await sync()
      if (changed.length !== 1 || changed[0] !== userId) throw new Error(`${userId} changed, and not ${changed}`)
      if (i < WARM_UP) continue
      idle.push(nothing.cpuMs)
      busy.push(cpuMs)
    }
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
    return {
      rooms: ROOMS,
      tracked,
      memberships: tracked * ROOMS_OF_EACH,
      cpuMs: mean(busy),
      worstCpuMs: Math.max(...busy),
      idleCpuMs: mean(idle),
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

type World = AsyncDisposable & { readonly store: Store; readonly opened: OpenServices }

async function open(dataDir: string): Promise<World> {
  const settings = JSON.stringify({ server_name: 'hearth.example', data_dir: dataDir, rate_limits: false })
  let store: Store | undefined
  const opened = await openServices(parseConfig(settings, { source: 'bench', folder: dataDir, environment: {} }), {
    clock: () => Date.now(),
    randomBytes,
    log: pino({ level: 'error' }),
    openStore: async (options) => {
      store = await openStore(options)
      return store
    },
  })
  return { store: store!, opened, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
}

/** Alice's account, and rooms with her and the others in them. */
async function populate(store: Store, users: readonly UserId[]): Promise<Viewer> {
  const deviceId = 'DEVICE' as DeviceId
  const userNid = await store.write(async (tx) => {
    const nid = await tx.users.intern(ALICE)
    await tx.accounts.create({ userNid: nid, passwordHash: null, admin: false, guest: false, createdTs: 1 })
    await tx.devices.create(nid, { deviceId, displayName: null, createdTs: 1 })
    return nid
  })
  for (let r = 0; r < ROOMS; r++) {
    const room = await RoomFixture.create(store)
    const members = users.filter((_, i) =>
      Array.from({ length: ROOMS_OF_EACH }, (_, k) => (i + k * 97) % ROOMS).includes(r),
    )
    await room.append(store, [
      room.state('m.room.create', ''),
      room.member(ALICE, 'join'),
      room.state('m.room.encryption', '', { algorithm: 'm.megolm.v1.aes-sha2' }),
      ...members.map((user) => room.member(user, 'join')),
    ])
  }
  return { userId: ALICE, userNid, deviceId }
}
