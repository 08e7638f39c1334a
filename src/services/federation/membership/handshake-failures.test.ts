import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ServerName } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { HandshakeFailures } from '#services/federation/membership/handshake-failures.ts'

const refused = (status: number, errcode: string, json: JsonObject = {}) =>
  ({ outcome: 'refused', status, errcode, error: 'no', json }) as const

function told(...failures: Parameters<HandshakeFailures['add']>[1][]): string {
  const all = new HandshakeFailures()
  failures.forEach((failure, index) => {
    all.add(`s${index}.test` as ServerName, failure)
  })
  return [all.error.status, all.error.errcode, all.error.extra['room_version']].filter((part) => part).join(' ')
}

describe('what a user is told of servers that failed', () => {
  it('is the most telling refusal', () => {
    const [forbidden, unknown] = [refused(403, 'M_FORBIDDEN'), refused(404, 'M_NOT_FOUND')]
    assert.equal(told(unknown, forbidden, { outcome: 'timed out' }), '403 M_FORBIDDEN')
    assert.equal(told({ outcome: 'timed out' }, unknown), '404 M_NOT_FOUND')
    const version = refused(400, 'M_INCOMPATIBLE_ROOM_VERSION', { room_version: '99' })
    assert.equal(told(forbidden, version), '400 M_INCOMPATIBLE_ROOM_VERSION 99')
    assert.equal(told(refused(400, 'M_UNABLE_TO_GRANT_JOIN'), unknown), '400 M_UNABLE_TO_GRANT_JOIN')
  })

  it('has the code and status that the other server gave, whatever they are', () => {
    assert.equal(told(refused(400, 'M_UNKNOWN')), '400 M_UNKNOWN')
    assert.equal(told(refused(403, 'ORG.EXAMPLE_NOT_TODAY')), '403 ORG.EXAMPLE_NOT_TODAY')
    assert.equal(told(refused(409, 'M_ROOM_IN_USE'), refused(403, 'M_FORBIDDEN')), '403 M_FORBIDDEN')
    const limited = new HandshakeFailures()
    limited.add('s.test' as ServerName, refused(429, 'M_LIMIT_EXCEEDED', { retry_after_ms: 500, secret: 'x' }))
    const { errcode, status, extra } = limited.error
    assert.deepEqual([errcode, status, extra], ['M_LIMIT_EXCEEDED', 429, { retry_after_ms: 500 }])
  })

  it('is a 502 where the servers are to blame, whatever they say', () => {
    for (const errcode of ['M_INVALID_PARAM', 'M_MISSING_PARAM', 'M_UNKNOWN_TOKEN', 'M_UNRECOGNIZED', 'no code']) {
      assert.equal(told(refused(400, errcode)), '502 M_UNKNOWN', errcode)
    }
    assert.equal(told(refused(401, 'M_FORBIDDEN')), '502 M_UNKNOWN')
    assert.equal(told({ outcome: 'refused', status: 404, errcode: null, error: null, json: null }), '502 M_UNKNOWN')
    assert.equal(told(refused(500, 'M_FORBIDDEN')), '502 M_UNKNOWN')
    assert.equal(told({ outcome: 'unreachable', reason: 'gone' }), '502 M_UNKNOWN')
  })

  it('is that nobody could be asked where no server is known', () => {
    assert.equal(told(), 'M_NOT_FOUND')
  })
})
