import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UnavailableError } from '#core/unavailable-error.ts'
import type { Engine, PendingWrite } from '#store/sql/engine.ts'
import { faultOf } from '#store/sql/faults.ts'
import { Positions, SqlStore } from '#store/sql/sql-store.ts'

class CodedError extends Error {
  readonly errcode: number | undefined
  readonly code: string | undefined
  constructor({ errcode, code }: { errcode?: number; code?: string }) {
    super('what the driver says')
    this.errcode = errcode
    this.code = code
  }
}

describe('errors of databases', () => {
  for (const [codes, reason] of [
    [{ errcode: 13 }, 'disk full'],
    [{ errcode: 10 | (3 << 8) }, 'disk error'],
    [{ errcode: 11 }, 'damaged'],
    [{ errcode: 8 }, 'read-only'],
    [{ errcode: 5 }, 'busy'],
    [{ code: 'ECONNREFUSED' }, 'unreachable'],
    [{ code: '57P01' }, 'unreachable'],
    [{ code: '53100' }, 'disk full'],
    [{ code: '53300' }, 'busy'],
    [{ code: 'XX001' }, 'damaged'],
    [{ code: '25006' }, 'read-only'],
    [{ errcode: 1 }, undefined],
    [{ code: '23505' }, undefined],
    [{}, undefined],
  ] as const) {
    it(`${JSON.stringify(codes)} is ${reason ?? 'a defect'}`, () => {
      assert.equal(faultOf(new CodedError(codes))?.reason, reason)
    })
  }
})

describe('a store whose database fails', () => {
  function failingStore() {
    const failures: { read: Error | null; write: Error | null } = { read: null, write: null }
    const logged: string[] = []
    const log = {
      info: (_details: object, message: string) => logged.push(message),
      warn: () => {},
      error: (_details: object, message: string) => logged.push(message),
    }
    const engine: Engine = {
      writesAppendsApart: false,
      async read() {
        if (failures.read !== null) throw failures.read
        return 'value' as never
      },
      async write(group: readonly PendingWrite[]) {
        for (const { resolve, reject } of group) {
          if (failures.write === null) resolve('value')
          else reject(failures.write)
        }
      },
      async close() {},
    }
    return { store: new SqlStore(engine, new Positions(log), log), failures, logged }
  }
  const nothing = async () => {}

  it('says so, tells the operator once, and is well again after a write', async () => {
    const { store, failures, logged } = failingStore()
    assert.equal(store.fault(), null)
    failures.write = new CodedError({ errcode: 13 })
    for (let i = 0; i < 3; i++) await assert.rejects(store.write(nothing), { reason: 'disk full' })
    assert.equal(logged.length, 1)
    // It can be read all the time.
    await store.read(nothing)
    assert.equal(store.fault()?.reason, 'disk full')
    failures.write = null
    await store.write(nothing)
    assert.equal(store.fault(), null)
    assert.deepEqual([logged.length, logged[1]], [2, 'The database is usable again'])
  })

  it('throws what is no fault of the database as it is', async () => {
    const { store, failures, logged } = failingStore()
    failures.read = new TypeError('a mistake')
    await assert.rejects(store.read(nothing), (error) => error === failures.read)
    failures.read = new CodedError({ code: 'ECONNRESET' })
    await assert.rejects(store.read(nothing), (error) => error instanceof UnavailableError)
    assert.equal(store.fault()?.reason, 'unreachable')
    failures.read = null
    await store.read(nothing)
    assert.deepEqual([store.fault(), logged.length], [null, 2])
  })
})
