import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { JsonObject } from '#core/json/value.ts'
import {
  type HistoryVisibility,
  isVisibleToServer,
  isVisibleToUser,
  readHistoryVisibility,
  STRANGER,
  type ViewedEvent,
} from './visibility.ts'

const USER = '@user:hs'
const MESSAGE: ViewedEvent = { type: 'm.room.message', stateKey: null, content: {} }
const VISIBILITIES: readonly HistoryVisibility[] = ['world_readable', 'shared', 'invited', 'joined']
const MEMBERSHIPS = [null, 'invite', 'join', 'leave', 'ban', 'knock', 'nonsense'] as const

/** Who sees an ordinary event: membership, then whether the user joined later. Written out, not computed. */
const SEEN: Record<HistoryVisibility, readonly string[]> = {
  world_readable: MEMBERSHIPS.flatMap((membership) => [`${membership}`, `${membership}+later`]),
  shared: ['join', ...MEMBERSHIPS.map((membership) => `${membership}+later`)],
  invited: ['join', 'join+later', 'invite', 'invite+later'],
  joined: ['join', 'join+later'],
}

describe('isVisibleToUser', () => {
  for (const visibility of VISIBILITIES) {
    for (const membership of MEMBERSHIPS) {
      for (const joinedLater of [false, true]) {
        const key = `${membership}${joinedLater ? '+later' : ''}`
        const wanted = SEEN[visibility].includes(key)
        it(`${wanted ? 'shows' : 'hides'} a message in ${visibility} to ${key}`, () => {
          assert.equal(isVisibleToUser(MESSAGE, visibility, { userId: USER, membership, joinedLater }), wanted)
        })
      }
    }
  }

  it('takes the more open side of a change of history visibility', () => {
    for (const before of VISIBILITIES) {
      for (const after of VISIBILITIES) {
        for (const membership of MEMBERSHIPS) {
          for (const joinedLater of [false, true]) {
            const change = visibilityEvent({ history_visibility: after })
            const viewer = { userId: USER, membership, joinedLater }
            const key = `${membership}${joinedLater ? '+later' : ''}`
            const wanted = SEEN[before].includes(key) || SEEN[after].includes(key)
            assert.equal(isVisibleToUser(change, before, viewer), wanted, `${before} to ${after} for ${key}`)
          }
        }
      }
    }
  })

  it('shows every change from or to world_readable to a stranger', () => {
    assert.ok(isVisibleToUser(visibilityEvent({ history_visibility: 'joined' }), 'world_readable', STRANGER))
    assert.ok(isVisibleToUser(visibilityEvent({ history_visibility: 'world_readable' }), 'joined', STRANGER))
    assert.ok(!isVisibleToUser(visibilityEvent({ history_visibility: 'shared' }), 'joined', STRANGER))
  })

  it('ignores a visibility event that is not the state with the empty key', () => {
    const content = { history_visibility: 'world_readable' }
    for (const stateKey of [null, 'x']) {
      assert.ok(!isVisibleToUser({ type: 'm.room.history_visibility', stateKey, content }, 'joined', STRANGER))
    }
  })

  it("takes the more open side of a change of the user's own membership", () => {
    for (const visibility of VISIBILITIES) {
      for (const membership of MEMBERSHIPS) {
        for (const after of MEMBERSHIPS) {
          const change = memberEvent(USER, after)
          const viewer = { userId: USER, membership, joinedLater: false }
          const wanted = SEEN[visibility].includes(`${membership}`) || SEEN[visibility].includes(`${after}`)
          assert.equal(isVisibleToUser(change, visibility, viewer), wanted, `${membership} to ${after}, ${visibility}`)
        }
      }
    }
  })

  it('always shows the own join, and what ends it', () => {
    for (const after of ['leave', 'ban']) {
      const viewer = { userId: USER, membership: 'join', joinedLater: false }
      assert.ok(isVisibleToUser(memberEvent(USER, after), 'joined', viewer))
    }
    assert.ok(isVisibleToUser(memberEvent(USER, 'join'), 'joined', { ...STRANGER, userId: USER }))
  })

  it("gives nobody else's join away", () => {
    const viewer = { userId: USER, membership: 'leave', joinedLater: false }
    for (const visibility of ['shared', 'invited', 'joined'] as const) {
      assert.ok(!isVisibleToUser(memberEvent('@other:hs', 'join'), visibility, viewer))
      assert.ok(!isVisibleToUser(memberEvent('@other:hs', 'join'), visibility, STRANGER))
    }
  })

  it('bears odd contents (S54)', () => {
    for (const value of [null, [], 'x', 7, {}, true]) {
      const contents: JsonObject[] = [{ membership: value }, { history_visibility: value }]
      for (const content of contents) {
        assert.ok(
          !isVisibleToUser({ type: 'm.room.member', stateKey: USER, content }, 'joined', { ...STRANGER, userId: USER }),
        )
        assert.ok(!isVisibleToUser(visibilityEvent(content), 'joined', STRANGER))
      }
    }
  })
})

describe('readHistoryVisibility', () => {
  it('reads each value, and everything else as shared', () => {
    for (const value of VISIBILITIES) assert.equal(readHistoryVisibility({ history_visibility: value }), value)
    for (const value of [null, [], 'JOINED', 'toString', 7, {}, true]) {
      assert.equal(readHistoryVisibility({ history_visibility: value }), 'shared')
    }
    assert.equal(readHistoryVisibility({}), 'shared')
    assert.equal(readHistoryVisibility(null), 'shared')
  })
})

describe('isVisibleToServer', () => {
  const left = { userId: '@a:remote', membership: 'leave', joinedLater: false }
  const invited = { userId: '@b:remote', membership: 'invite', joinedLater: false }
  const joined = { userId: '@c:remote', membership: 'join', joinedLater: false }

  it('sees what any of its users sees', () => {
    assert.ok(isVisibleToServer(MESSAGE, 'joined', [left, invited, joined]))
    assert.ok(!isVisibleToServer(MESSAGE, 'joined', [left, invited]))
    assert.ok(isVisibleToServer(MESSAGE, 'invited', [left, invited]))
    assert.ok(!isVisibleToServer(MESSAGE, 'shared', [left, invited]))
    assert.ok(isVisibleToServer(MESSAGE, 'shared', [{ ...left, joinedLater: true }]))
    assert.ok(isVisibleToServer(memberEvent('@a:remote', 'join'), 'joined', [left]))
  })

  it('sees what is world-readable without users, and nothing else', () => {
    assert.ok(isVisibleToServer(MESSAGE, 'world_readable', []))
    for (const visibility of ['shared', 'invited', 'joined'] as const) {
      assert.ok(!isVisibleToServer(MESSAGE, visibility, []))
    }
  })

  it('asks no more users than it needs', () => {
    let asked = 0
    const users = function* () {
      for (const user of [invited, joined, left]) {
        asked++
        yield user
      }
    }
    assert.ok(isVisibleToServer(MESSAGE, 'joined', users()))
    assert.equal(asked, 2)
  })
})

function visibilityEvent(content: JsonObject): ViewedEvent {
  return { type: 'm.room.history_visibility', stateKey: '', content }
}

function memberEvent(userId: string, membership: string | null): ViewedEvent {
  return { type: 'm.room.member', stateKey: userId, content: membership === null ? {} : { membership } }
}
