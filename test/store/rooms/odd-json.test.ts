import assert from 'node:assert/strict'
import { parseEvent } from '#core/event/parse-event.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { EVENT_DEPTH_MAX, parseJsonText } from '#core/json/parse.ts'
import type { JsonObject } from '#core/json/value.ts'
import { forEachDatabase } from '#test/store/harness.ts'
import { RoomFixture } from '#test/store/rooms/room-fixture.ts'

/** Contents as JSON text, for what no literal can hold. */
const CONTENTS: Readonly<Record<string, string>> = {
  'U+0000': '{"body":"a\\u0000b","\\u0000":"\\u0000"}',
  'keys that objects have anyway':
    '{"__proto__":{"a":1},"constructor":null,"toString":[],"hasOwnProperty":{"__proto__":true}}',
  'keys that look like numbers': '{"10":1,"9":2,"-1":3,"a":4}',
  'text of all planes': '{"body":"é e\\u0301 \u{1f600} \\u2028 \\ud83d\\ude00 \\u007f \\u001f /"}',
  'quotes and backslashes': '{"\\"":"\\\\","\'":"\\\\\'","?":"$1 :x @y"}',
  nothing: '{}',
}
const OLD_NUMBERS = '{"big":123456789012345678901234567890,"float":1.50,"exponent":1E+2,"zero":-0,"list":[1.0,-0.0]}'

forEachDatabase('odd JSON', (test) => {
  for (const [name, content] of Object.entries(CONTENTS)) {
    test(`survives unchanged: ${name}`, async (open) => {
      const store = await open()
      const room = await RoomFixture.create(store, '11')
      const event = room.event({ content: parse(content) })
      await room.append(store, [event])
      // Another process has nothing in its caches.
      for (const reader of [store, await open()]) {
        const read = (await reader.read((tx) => tx.events.byId(event.eventId)))!.event
        assert.equal(JSON.stringify(read.json), JSON.stringify(event.json))
        assert.equal(canonicalJson(read.content), canonicalJson(parse(content)))
        assert.deepEqual(read, event)
      }
    })
  }

  for (const version of ['1', '3', '5']) {
    test(`numbers that room version ${version} tolerates survive letter for letter`, async (open) => {
      const store = await open()
      const room = await RoomFixture.create(store, version)
      const made = room.event({ content: { body: 'x' } })
      const parsed = parseEvent({ ...made.json, content: parse(OLD_NUMBERS) }, room.rules)
      assert.ok(parsed.ok)
      await room.append(store, [parsed.event])
      const other = await open()
      const read = (await other.read((tx) => tx.events.byId(parsed.event.eventId)))!.event
      assert.equal(JSON.stringify(read.content), OLD_NUMBERS)
      assert.equal(parseEvent(read.json, room.rules).ok && read.eventId, parsed.event.eventId)
    })
  }

  test('an event that nests deeper than the stack survives', async (open) => {
    const store = await open()
    const room = await RoomFixture.create(store)
    const depth = 20_000
    const event = room.event({ content: parse(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`) })
    await room.append(store, [event])
    const other = await open()
    const read = (await other.read((tx) => tx.events.byId(event.eventId)))!.event
    assert.equal(canonicalJson(read.json), canonicalJson(event.json))
  })
})

function parse(text: string): JsonObject {
  return parseJsonText(text, { depthMax: EVENT_DEPTH_MAX, lossless: true }) as JsonObject
}
