import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { parsePropertyPath, propertyAt } from './property-path.ts'

const PATHS: readonly [string, readonly string[]][] = [
  ['content.body', ['content', 'body']],
  ['content.m\\.relates_to', ['content', 'm.relates_to']],
  ['content.m\\\\foo', ['content', 'm\\foo']],
  ['content.m\\x.y', ['content', 'm\\x', 'y']],
  ['a\\\\.b', ['a\\', 'b']],
  ['a\\', ['a\\']],
  ['', ['']],
  ['a..b.', ['a', '', 'b', '']],
]
for (const [path, names] of PATHS) {
  it(`parses ${JSON.stringify(path)}`, () => assert.deepEqual(parsePropertyPath(path), names))
}

it('reads back any names that were escaped', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: fc.constantFrom('a', '.', '\\', 'é') }), { minLength: 1 }), (names) => {
      const path = names.map((name) => name.replace(/[\\.]/g, (char) => `\\${char}`)).join('.')
      assert.deepEqual(parsePropertyPath(path), names)
    }),
  )
})

it('finds own members only (J4)', () => {
  const object = JSON.parse('{"__proto__":{"x":1},"a":{"constructor":2},"list":[1]}')
  assert.equal(propertyAt(object, ['__proto__', 'x']), 1)
  assert.equal(propertyAt(object, ['a', 'constructor']), 2)
  assert.equal(propertyAt(object, ['constructor']), undefined)
  assert.equal(propertyAt(object, ['a', 'toString']), undefined)
  assert.equal(propertyAt({}, ['__proto__']), undefined)
  assert.equal(propertyAt(object, ['list', 'length']), undefined)
  assert.equal(propertyAt(object, ['list', '0']), undefined)
})
