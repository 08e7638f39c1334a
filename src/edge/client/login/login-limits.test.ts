/** The limits on guessing passwords, over real HTTP. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Hearth, type Reply, startHearth } from '#test/harness/hearth.ts'

const PASSWORD = 'correct horse battery staple'
/** So that all guesses are there before the first one is judged. */
const SLOW = { memory_kib: 19_456, passes: 2 }
const MANY = { per_second: 1000, burst: 1000 }

async function serverWithCarol(limits: object, settings: object = {}): Promise<Hearth> {
  const hearth = await startHearth({
    ...settings,
    rate_limits: { login_per_address: MANY, login_per_account: MANY, login_failed: MANY, ...limits },
  })
  await hearth.services.accounts.createAccount({ localpart: 'carol', password: PASSWORD, admin: false })
  return hearth
}

const loginAs = (hearth: Hearth, user: string, password: string) =>
  hearth.request('POST', '/login', { body: { type: 'm.login.password', user, password } })
const statuses = (replies: readonly Reply[]) => replies.map(({ status }) => status)

describe('guesses of a password', () => {
  const loginFailed = { login_failed: { per_second: 0.001, burst: 3 } }

  it('in parallel are as many as in a row, whether or not the right one is among them', async () => {
    await using hearth = await serverWithCarol(loginFailed, { password_hash: SLOW })
    const guesses = Array.from({ length: 10 }, (_, i) => `guess ${i}`)
    const replies = await Promise.all([...guesses, PASSWORD].map((guess) => loginAs(hearth, 'carol', guess)))
    const judged = statuses(replies).filter((status) => status !== 429)
    assert.ok(judged.length <= 3, String(statuses(replies)))
  })

  for (const [kind, name] of [
    ['a user', 'carol'],
    ['nobody', 'nobody'],
  ] as const) {
    it(`of ${kind} are counted together, however the name is written`, async () => {
      await using hearth = await serverWithCarol(loginFailed)
      const names = [name, `@${name}:hearth.example`, name.toUpperCase(), name, `@${name}:hearth.example`]
      const replies: Reply[] = []
      for (const typed of names) replies.push(await loginAs(hearth, typed, 'wrong'))
      assert.deepEqual(statuses(replies), [403, 403, 403, 429, 429])
    })
  }

  it('that were right count for nothing', async () => {
    await using hearth = await serverWithCarol(loginFailed)
    const replies: Reply[] = []
    for (let i = 0; i < 5; i++) replies.push(await loginAs(hearth, 'carol', PASSWORD))
    assert.deepEqual(statuses(replies), [200, 200, 200, 200, 200])
  })

  it('are counted also where a password stands for a missing token', async () => {
    await using hearth = await serverWithCarol({ login_per_address: { per_second: 0.001, burst: 3 } })
    const replies: Reply[] = []
    for (const user of ['carol', 'dave', 'erin', 'carol']) {
      const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password: 'wrong' }
      replies.push(await hearth.request('POST', '/account/password', { body: { new_password: 'x', auth } }))
    }
    assert.deepEqual(statuses(replies), [401, 401, 401, 429])
  })
})

it('a refusal for too many logins does not tell whether the password was right', async () => {
  await using hearth = await serverWithCarol({ login_per_account: { per_second: 0.001, burst: 2 } })
  const wrong: Reply[] = []
  for (let i = 0; i < 5; i++) wrong.push(await loginAs(hearth, 'carol', 'wrong'))
  assert.deepEqual(statuses(wrong), [403, 403, 403, 403, 403])
  for (let i = 0; i < 2; i++) assert.equal((await loginAs(hearth, '@carol:hearth.example', PASSWORD)).status, 200)
  const [right, other] = [await loginAs(hearth, 'carol', PASSWORD), await loginAs(hearth, 'carol', 'wrong')]
  assert.deepEqual(statuses([right, other]), [429, 429])
  assert.deepEqual(right.body, other.body)
})
