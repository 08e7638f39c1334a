import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createEventIdOf,
  domainOf,
  type EventId,
  fitsIdLimit,
  isCompliantUserId,
  isDomainRoomId,
  isEventId,
  isEventIdOf,
  isHashRoomId,
  isNewLocalpart,
  isRoomAlias,
  isRoomId,
  isUserId,
  localpartOf,
  type RoomId,
  roomIdOfCreate,
  serverOf,
  type UserId,
} from '#core/ids.ts'

const HASH = 'Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ'

test('historical user ids are accepted: anything but colon and NUL, and nothing at all', () => {
  for (const id of ['@a:x', '@A b:x', '@é😀:x', '@:x', '@\u0001:x', '@a:x:8448', '@a:[::1]:1', '@a@b:x']) {
    assert.equal(isUserId(id), true, id)
  }
  for (const id of ['', '@', '@a', 'a:x', '#a:x', '@a:', '@a\0:x', '@a:b:c', '@\ud800:x', '@a:exa mple', ' @a:x']) {
    assert.equal(isUserId(id), false, JSON.stringify(id))
  }
})

test('compliant user ids are printable ASCII, new ones of a small set of characters', () => {
  assert.equal(isCompliantUserId('@Alice!:x'), true)
  for (const id of ['@:x', '@a b:x', '@é:x', '@\x7f:x']) assert.equal(isCompliantUserId(id), false, id)
  assert.equal(isNewLocalpart('a-z0._=/+9'), true)
  for (const localpart of ['', 'A', 'a b', 'é', 'a:b', 'a@b', '\u212a', 'a\n']) {
    assert.equal(isNewLocalpart(localpart), false, JSON.stringify(localpart))
  }
})

test('ids have at most 255 bytes, not characters', () => {
  assert.equal(isUserId(`@${'a'.repeat(252)}:x`), true)
  assert.equal(isUserId(`@${'a'.repeat(253)}:x`), false)
  assert.equal(isUserId(`@${'é'.repeat(126)}:x`), true)
  assert.equal(isUserId(`@${'é'.repeat(127)}:x`), false)
  assert.equal(fitsIdLimit('a'.repeat(255)), true)
  assert.equal(fitsIdLimit('a'.repeat(256)), false)
  assert.equal(fitsIdLimit('é'.repeat(127)), true)
  assert.equal(fitsIdLimit('é'.repeat(128)), false)
  assert.equal(fitsIdLimit('😀'.repeat(63)), true)
  assert.equal(fitsIdLimit('😀'.repeat(64)), false)
  assert.equal(fitsIdLimit('日'.repeat(85)), true)
  assert.equal(fitsIdLimit('日'.repeat(86)), false)
})

test('J11: ids are compared as they are written', () => {
  assert.notEqual('@é:x', '@e\u0301:x')
  assert.equal(isUserId('@e\u0301:x') && isUserId('@é:x'), true)
})

test('S13: room ids of version 12 are the hash of the create event', () => {
  assert.equal(isHashRoomId(`!${HASH}`), true)
  for (const id of [`!${HASH}:x`, `!${HASH}A`, `!${HASH.slice(1)}`, `$${HASH}`, `!${HASH.slice(1)}/`, '!a']) {
    assert.equal(isHashRoomId(id), false, id)
  }
  assert.equal(isRoomId(`!${HASH}`) && isRoomId('!a:x'), true)
  assert.equal(isDomainRoomId('!a:x') && isDomainRoomId('!:x'), true)
  assert.equal(isDomainRoomId(`!${HASH}`), false)
  assert.equal(roomIdOfCreate(`$${HASH}` as EventId), `!${HASH}`)
  assert.equal(createEventIdOf(`!${HASH}` as RoomId), `$${HASH}`)
})

test('event ids have three formats', () => {
  const standard = `$${HASH.replaceAll('-', '+')}`
  assert.equal(isEventIdOf('$0:domain', 'chosen'), true)
  assert.equal(isEventIdOf(standard, 'base64'), true)
  assert.equal(isEventIdOf(`$${HASH}`, 'base64url'), true)
  assert.equal(isEventIdOf(`$${HASH}`, 'base64'), false)
  assert.equal(isEventIdOf(standard, 'base64url'), false)
  assert.equal(isEventIdOf(`$${HASH}`, 'chosen'), false)
  for (const id of ['$0:domain', standard, `$${HASH}`]) assert.equal(isEventId(id), true, id)
  for (const id of ['', '$', '$a', `${HASH}`, `$${HASH}=`, '$a\0:x', `$${'a'.repeat(255)}:x`]) {
    assert.equal(isEventId(id), false, id)
  }
})

test('aliases have a localpart and a server', () => {
  assert.equal(isRoomAlias('#room é:x:1') && isRoomAlias('#:x'), true)
  for (const alias of ['#a', '!a:x', '#a:', '#a\0:x']) assert.equal(isRoomAlias(alias), false, alias)
})

test('the server stands after the first colon, since it may hold colons itself', () => {
  assert.equal(serverOf('@a:x:8448' as UserId), 'x:8448')
  assert.equal(serverOf('@a:[::1]:8448' as UserId), '[::1]:8448')
  assert.equal(localpartOf('@a:x:8448' as UserId), 'a')
  assert.equal(domainOf('!a:x:1' as RoomId), 'x:1')
  assert.equal(domainOf(`!${HASH}` as RoomId), null)
})
