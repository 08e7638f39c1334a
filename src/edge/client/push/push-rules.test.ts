/** The nine push-rule operations over real HTTP. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { type Hearth, type Reply, startHearth, type TestUser } from '#test/harness/hearth.ts'
import { assertMatchesSpec } from '#test/schema-check.ts'

function assertError(reply: Reply, status: number, errcode: string): void {
  assert.deepEqual([reply.status, reply.body?.errcode], [status, errcode], reply.text)
}

let hearth: Hearth
let user: TestUser

before(async () => {
  hearth = await startHearth()
  user = await hearth.user('alice')
})
after(() => hearth[Symbol.asyncDispose]())

const request = (method: string, path: string, body?: unknown) =>
  hearth.request(method, `/pushrules/${path}`, { token: user.token, ...(body !== undefined && { body }) })
const ruleIds = async (kind: string) =>
  ((await request('GET', 'global/')).body[kind] as { rule_id: string }[]).map((rule) => rule.rule_id)

it('a new user has the predefined rules', async () => {
  const all = await request('GET', '')
  assertMatchesSpec('getPushRules', all.status, all.body)
  const global = await request('GET', 'global/')
  assertMatchesSpec('getPushRulesGlobal', global.status, global.body)
  assert.deepEqual(all.body, { global: global.body })
  assert.equal((await ruleIds('override'))[0], '.m.rule.master')
  const mention = global.body.override.find((rule: { rule_id: string }) => rule.rule_id === '.m.rule.is_user_mention')
  assert.equal(mention.conditions[0].value, user.userId)
})

it('rules of one’s own are added, read, moved and deleted', async () => {
  const added = await request('PUT', 'global/content/cake', { pattern: 'cake*lie', actions: ['notify'] })
  assertMatchesSpec('setPushRule', added.status, added.body)
  const shown = await request('GET', 'global/content/cake')
  assertMatchesSpec('getPushRule', shown.status, shown.body)
  assert.deepEqual(shown.body, {
    rule_id: 'cake',
    default: false,
    enabled: true,
    pattern: 'cake*lie',
    actions: ['notify'],
  })
  await request('PUT', 'global/content/pie?after=cake', { pattern: 'pie', actions: [] })
  assert.deepEqual(await ruleIds('content'), ['cake', 'pie'])
  await request('PUT', 'global/content/pie?before=cake', { pattern: 'pie', actions: [] })
  assert.deepEqual(await ruleIds('content'), ['pie', 'cake'])
  const deleted = await request('DELETE', 'global/content/pie')
  assertMatchesSpec('deletePushRule', deleted.status, deleted.body)
  assertError(await request('DELETE', 'global/content/pie'), 404, 'M_NOT_FOUND')
  assertError(await request('GET', 'global/content/pie'), 404, 'M_NOT_FOUND')
})

it('the rules of one kind are read by themselves', async () => {
  const { body, status } = await request('GET', 'global/underride/')
  assert.equal(status, 200)
  assert.deepEqual(body, (await request('GET', 'global/')).body.underride)
  assertError(await request('GET', 'global/nonsense/'), 400, 'M_INVALID_PARAM')
})

it('dont_notify is read back, and notifies nobody', async () => {
  const rule = { actions: ['dont_notify'] }
  assert.equal((await request('PUT', 'global/room/!quiet:hearth.example', rule)).status, 200)
  const { body } = await request('GET', 'global/room/!quiet:hearth.example/actions')
  assert.deepEqual(body, rule)
})

it('predefined rules are switched and changed', async () => {
  const path = 'global/underride/.m.rule.message'
  const before = await request('GET', `${path}/enabled`)
  assertMatchesSpec('isPushRuleEnabled', before.status, before.body)
  assert.deepEqual(before.body, { enabled: true })
  const off = await request('PUT', `${path}/enabled`, { enabled: false })
  assertMatchesSpec('setPushRuleEnabled', off.status, off.body)
  assert.deepEqual((await request('GET', `${path}/enabled`)).body, { enabled: false })
  const changed = await request('PUT', `${path}/actions`, { actions: ['notify', { set_tweak: 'highlight' }] })
  assertMatchesSpec('setPushRuleActions', changed.status, changed.body)
  const actions = await request('GET', `${path}/actions`)
  assertMatchesSpec('getPushRuleActions', actions.status, actions.body)
  assert.deepEqual(actions.body, { actions: ['notify', { set_tweak: 'highlight' }] })
})

it('account data shows the rules as they are', async () => {
  const { body } = await hearth.request('GET', `/user/${user.userId}/account_data/m.push_rules`, { token: user.token })
  assert.deepEqual(body, (await request('GET', '')).body)
})

it('what makes no sense is refused', async () => {
  assertError(await request('PUT', 'global/content/.mine', { pattern: 'x', actions: [] }), 400, 'M_INVALID_PARAM')
  assertError(await request('PUT', 'global/content/x', { actions: [] }), 400, 'M_MISSING_PARAM')
  assertError(await request('PUT', 'global/content/x', { pattern: 'x' }), 400, 'M_MISSING_PARAM')
  assertError(await request('PUT', 'global/other/x', { actions: [] }), 400, 'M_INVALID_PARAM')
  assertError(await request('GET', 'global/constructor/x'), 400, 'M_INVALID_PARAM')
  const place = 'global/content/x?before=.m.rule.message'
  assertError(await request('PUT', place, { pattern: 'x', actions: [] }), 400, 'M_UNKNOWN')
  assertError(await request('PUT', 'global/content/none/enabled', { enabled: true }), 404, 'M_NOT_FOUND')
  assertError(await request('PUT', 'global/underride/.m.rule.message/enabled', { enabled: 'no' }), 400, 'M_BAD_JSON')
  assertError(await request('PUT', 'global/underride/.m.rule.message/actions', {}), 400, 'M_MISSING_PARAM')
  assertError(await request('DELETE', 'global/underride/.m.rule.message'), 404, 'M_NOT_FOUND')
})
