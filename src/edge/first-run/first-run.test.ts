/** The pages of the first run, as a browser without scripts meets them. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { FIRST_RUN_PATH } from '#services/accounts/first-run.ts'
import { type Hearth, startHearth } from '#test/harness/hearth.ts'

async function addressOf(hearth: Hearth): Promise<string> {
  const address = await hearth.services.firstRun.address('')
  assert.ok(address !== null)
  return address
}

function post(hearth: Hearth, path: string, fields: Record<string, string>) {
  return hearth.request('POST', path, {
    body: new URLSearchParams(fields).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
}

it('makes the first administrator, once', async () => {
  await using hearth = await startHearth({ registration: { enabled: false } })
  const path = await addressOf(hearth)
  const page = await hearth.request('GET', path)
  assert.equal(page.status, 200)
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/)
  const policy = page.headers.get('content-security-policy') ?? ''
  assert.match(policy, /default-src 'none'/)
  assert.match(policy, /frame-ancestors 'none'/)
  assert.ok(!page.text.includes('<script'))
  const done = await post(hearth, path, { name: 'root', password: 'sécret & co', again: 'sécret & co' })
  assert.equal(done.status, 200, done.text)
  assert.match(done.text, /@root:hearth\.example/)
  assert.match(done.text, /https:\/\/matrix\.hearth\.example/)
  const login = await hearth.request('POST', '/login', {
    body: { type: 'm.login.password', user: 'root', password: 'sécret & co' },
  })
  assert.equal(login.status, 200)
  const caller = await hearth.services.sessions.authenticate(login.body.access_token, { ip: '192.0.2.1' })
  assert.equal(caller.isAdmin, true)
  assert.equal(await hearth.services.firstRun.address(''), null)
  assert.equal((await hearth.request('GET', path)).status, 403)
  assert.equal((await post(hearth, path, { name: 'more', password: 'x', again: 'x' })).status, 403)
})

it('two at once make one administrator', async () => {
  await using hearth = await startHearth()
  const path = await addressOf(hearth)
  const replies = await Promise.all(
    ['ann', 'ben', 'cid'].map((name) => post(hearth, path, { name, password: 'x', again: 'x' })),
  )
  assert.deepEqual(replies.map(({ status }) => status).sort(), [200, 403, 403])
})

it('is nowhere without the token', async () => {
  await using hearth = await startHearth()
  for (const token of ['x', 'first_AAAA', encodeURIComponent('first_é/..'), 'y'.repeat(5_000)]) {
    assert.equal((await hearth.request('GET', FIRST_RUN_PATH + token)).status, 403)
    const form = { name: 'eve', password: 'x', again: 'x' }
    assert.equal((await post(hearth, FIRST_RUN_PATH + token, form)).status, 403)
  }
  assert.equal((await post(hearth, await addressOf(hearth), { name: 'ok', password: 'x', again: 'x' })).status, 200)
})

it('an ordinary account does not end it, an administrator made elsewhere does', async () => {
  await using hearth = await startHearth()
  const path = await addressOf(hearth)
  await hearth.user('alice')
  assert.equal((await hearth.request('GET', path)).status, 200)
  await hearth.services.accounts.createAccount({ localpart: 'root', password: 'x', admin: true })
  assert.equal((await hearth.request('GET', path)).status, 403)
})

it('says what is wrong, escapes what was typed and never shows a password', async () => {
  await using hearth = await startHearth()
  const path = await addressOf(hearth)
  const odd = await post(hearth, path, { name: '"><script>alert(1)</script>', password: 'se&cret', again: 'se&cret' })
  assert.equal(odd.status, 400)
  assert.match(odd.text, /value="&quot;&gt;&lt;script&gt;/)
  assert.ok(!odd.text.includes('<script'))
  assert.ok(!odd.text.includes('cret'))
  assert.match((await post(hearth, path, { name: 'a', password: 'x', again: 'y' })).text, /not the same/)
  assert.match((await post(hearth, path, { name: 'a', password: '', again: '' })).text, /password is empty/)
  assert.equal((await post(hearth, path, {})).status, 400)
  await hearth.user('taken')
  assert.match((await post(hearth, path, { name: 'taken', password: 'x', again: 'x' })).text, /taken/)
})
