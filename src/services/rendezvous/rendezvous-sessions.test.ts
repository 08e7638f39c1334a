import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { beforeEach, describe, it } from 'node:test'
import { PAYLOAD_BYTES_MAX, RendezvousSessions, SESSION_LIFETIME_MS } from '#services/rendezvous/rendezvous-sessions.ts'

let now = 0
let sessions: RendezvousSessions
beforeEach(() => {
  now = 1_000
  sessions = new RendezvousSessions({ clock: () => now, randomBytes })
})

const write = (sequenceToken: string, data = 'new', txnId: string | null = null) => ({ data, sequenceToken, txnId })

describe('rendezvous sessions', () => {
  it('take a write of whoever has seen the last one', () => {
    const { id, sequenceToken: first } = sessions.create('one')
    const { written, session } = sessions.put(id, write(first, 'one'))
    assert.equal(written, true)
    assert.notEqual(session.sequenceToken, first, 'though the payload is the same')
    assert.equal(sessions.put(id, write(first, 'late')).written, false)
    assert.equal(sessions.get(id).data, 'one')
  })

  it('give one outcome to an attempt, however often it is made', () => {
    const { id, sequenceToken } = sessions.create('one')
    const refused = sessions.put(id, write('x', 'two', 't1'))
    const done = sessions.put(id, write(sequenceToken, 'two', 't2'))
    assert.deepEqual([refused.written, done.written], [false, true])
    sessions.put(id, write(done.session.sequenceToken, 'three', 't3'))
    assert.deepEqual(sessions.put(id, write(sequenceToken, 'other', 't2')), done)
    assert.deepEqual(sessions.put(id, write('3', 'other', 't1')), refused)
    assert.equal(sessions.get(id).data, 'three')
  })

  it('end after their time, whatever is written', () => {
    const { id, sequenceToken, expiresTs } = sessions.create('one')
    assert.equal(expiresTs, now + SESSION_LIFETIME_MS)
    now = expiresTs - 1
    assert.equal(sessions.put(id, write(sequenceToken)).written, true)
    now = expiresTs
    assert.throws(() => sessions.get(id), { errcode: 'M_NOT_FOUND' })
    assert.throws(() => sessions.put(id, write('2')), { errcode: 'M_NOT_FOUND' })
    assert.throws(() => sessions.delete(id), { errcode: 'M_NOT_FOUND' })
  })

  it('are limited in size, in number and in attempts', () => {
    const { id, sequenceToken } = sessions.create('x'.repeat(PAYLOAD_BYTES_MAX))
    assert.throws(() => sessions.create(`${'é'.repeat(PAYLOAD_BYTES_MAX / 2)}x`), { errcode: 'M_TOO_LARGE' })
    assert.throws(() => sessions.put(id, write(sequenceToken, 'x'.repeat(4_097))), { errcode: 'M_TOO_LARGE' })
    for (let n = 0; n < 32; n++) sessions.put(id, write('x', 'y', `t${n}`))
    assert.throws(() => sessions.put(id, write('x', 'y', 't32')), { errcode: 'M_LIMIT_EXCEEDED' })
    for (let n = 1; n < 5_000; n++) sessions.create('')
    assert.throws(() => sessions.create(''), { errcode: 'M_LIMIT_EXCEEDED' })
    now += SESSION_LIFETIME_MS
    sessions.create('')
  })
})
