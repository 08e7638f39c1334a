/** T4: three servers whose network breaks in several ways while users go on; each runs in a network namespace. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { it } from 'node:test'
import { inNamespaces, namespaceObstacle } from '#test/federation/partitions/network.ts'

it('T4: after a partition all servers have the same state and the same messages', {
  timeout: 300_000,
}, async (test) => {
  const obstacle = namespaceObstacle()
  if (obstacle !== null) {
    const isCi = process.env['CI'] === '1'
    assert.ok(!isCi || obstacle.isForbidden, `no network namespaces: ${obstacle.what}`)
    console.error(`NOT TESTED: partitions, since this machine has no network namespaces: ${obstacle.what}`)
    test.skip(obstacle.what)
    return
  }
  const lines: string[] = []
  const code = await inNamespaces(join(import.meta.dirname, 'main.ts'), (line) => {
    lines.push(line)
    test.diagnostic(line)
  })
  assert.equal(code, 0, lines.join('\n'))
})
