import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UserId } from '#core/ids.ts'
import { EphemeralSequence } from '#services/log/ephemeral-sequence.ts'
import { TYPING_TIMEOUT_MS_MAX, TypingService } from '#services/typing/typing-service.ts'
import type { RoomNid } from '#store/types/rooms.ts'

const ROOM = 1 as RoomNid
const OTHER = 2 as RoomNid
const ALICE = '@alice:x' as UserId
const BOB = '@bob:x' as UserId

/** A service whose time only moves when told. */
function atTime() {
  let now = 0
  const pending = new Set<{ at: number; fn: () => void }>()
  const changes: RoomNid[] = []
  const sequence = new EphemeralSequence('e')
  const typing = new TypingService({
    clock: () => now,
    timers: {
      after(ms, fn) {
        const timer = { at: now + ms, fn }
        pending.add(timer)
        return () => pending.delete(timer)
      },
    },
    sequence,
  })
  typing.onChange((room) => changes.push(room))
  const advance = (ms: number) => {
    now += ms
    for (const timer of [...pending].filter(({ at }) => at <= now)) {
      pending.delete(timer)
      timer.fn()
    }
  }
  return { typing, sequence, changes, pending, advance }
}

test('typing ends when its time is over, and saying it again prolongs it', () => {
  const { typing, changes, advance } = atTime()
  typing.start(ROOM, ALICE, 1000)
  typing.start(ROOM, BOB, 5000)
  advance(900)
  typing.start(ROOM, ALICE, 1000)
  advance(900)
  assert.deepEqual(typing.typingIn(ROOM), [ALICE, BOB])
  advance(100)
  assert.deepEqual(typing.typingIn(ROOM), [BOB])
  assert.deepEqual(changes, [ROOM, ROOM, ROOM], 'prolonging changes nothing')
  advance(4000)
  assert.deepEqual([typing.typingIn(ROOM), typing.isAnybodyTyping], [[], false])
})

test('the first end in a room is news: clients may show who typed before a restart', () => {
  const { typing, sequence, changes } = atTime()
  typing.stop(ROOM, ALICE)
  typing.stop(ROOM, ALICE)
  typing.stop(ROOM, BOB)
  assert.deepEqual(changes, [ROOM])
  assert.deepEqual([...typing.changedSince(sequence.seenBy(null))], [ROOM])
})

test('no time is longer than the maximum', () => {
  const { typing, advance } = atTime()
  typing.start(ROOM, ALICE, Number.MAX_SAFE_INTEGER)
  advance(TYPING_TIMEOUT_MS_MAX - 1)
  assert.deepEqual(typing.typingIn(ROOM), [ALICE])
  advance(1)
  assert.deepEqual(typing.typingIn(ROOM), [])
})

test('changes are numbered; a foreign epoch gets all rooms', () => {
  const { typing, sequence } = atTime()
  typing.start(ROOM, ALICE, 1000)
  const seen = sequence.seenBy({ epoch: 'e', sequence: sequence.last })
  assert.deepEqual(typing.changedSince(seen), new Set())
  typing.start(OTHER, ALICE, 1000)
  typing.stop(OTHER, BOB)
  assert.deepEqual(typing.changedSince(seen), new Set([OTHER]))
  assert.deepEqual(typing.changedSince(sequence.seenBy({ epoch: 'before', sequence: 99 })), new Set([ROOM, OTHER]))
})

test('closing leaves no timer behind', () => {
  const { typing, pending } = atTime()
  typing.start(ROOM, ALICE, 1000)
  typing.start(OTHER, BOB, 1000)
  typing.close()
  assert.equal(pending.size, 0)
})
