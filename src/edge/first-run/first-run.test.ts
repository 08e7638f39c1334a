/** The pages of the first run, as a browser without scripts meets them. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { FIRST_RUN_PATH } from '#services/accounts/first-run.ts'
import { type Hearth, startHearth } from '#test/harness/hearth.ts'

const GOOD = { keep: 'yes', password: 'sécret & co', again: 'sécret & co' }

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
  assert.match(policy, /script-src 'nonce-[\w-]{20,}'/)
  assert.match(page.text, /hearth\.example<\/code>, and can\s+<strong>never be changed/)
  const done = await post(hearth, path, { name: 'root', ...GOOD })
  assert.equal(done.status, 200, done.text)
  assert.match(done.text, /@root:hearth\.example/)
  assert.match(done.text, /https:\/\/matrix\.hearth\.example/)
  const login = await hearth.request('POST', '/login', {
    body: { type: 'm.login.password', user: 'root', password: GOOD.password },
  })
  assert.equal(login.status, 200)
  const caller = await hearth.services.sessions.authenticate(login.body.access_token, { ip: '192.0.2.1' })
  assert.equal(caller.isAdmin, true)
  assert.equal(await hearth.services.firstRun.address(''), null)
  assert.equal((await hearth.request('GET', path)).status, 403)
  assert.equal((await post(hearth, path, { name: 'more', ...GOOD })).status, 403)
})

it('two at once make one administrator', async () => {
  await using hearth = await startHearth()
  const path = await addressOf(hearth)
  const replies = await Promise.all(['ann', 'ben', 'cid'].map((name) => post(hearth, path, { name, ...GOOD })))
  assert.deepEqual(replies.map(({ status }) => status).sort(), [200, 403, 403])
})

it('is nowhere without the token', async () => {
  await using hearth = await startHearth()
  for (const token of ['x', 'first_AAAA', encodeURIComponent('first_é/..'), 'y'.repeat(5_000)]) {
    assert.equal((await hearth.request('GET', FIRST_RUN_PATH + token)).status, 403)
    const form = { name: 'eve', ...GOOD }
    assert.equal((await post(hearth, FIRST_RUN_PATH + token, form)).status, 403)
  }
  assert.equal((await post(hearth, await addressOf(hearth), { name: 'ok', ...GOOD })).status, 200)
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
  const odd = await post(hearth, path, {
    ...GOOD,
    name: '"><script>alert(1)</script>',
  })
  assert.equal(odd.status, 400)
  assert.match(odd.text, /value="&quot;&gt;&lt;script&gt;/)
  assert.ok(!odd.text.includes('<script>'))
  assert.ok(!odd.text.includes('cret &'))
  assert.match((await post(hearth, path, { ...GOOD, name: 'a', again: 'y' })).text, /not the same/)
  const weak = { ...GOOD, name: 'rosalind', password: 'rosalind1958', again: 'rosalind1958' }
  assert.match((await post(hearth, path, weak)).text, /not much more than &quot;rosalind&quot;/)
  assert.match((await post(hearth, path, { name: 'a', password: 'sécret & co', again: 'sécret & co' })).text, /confirm/)
  assert.equal((await post(hearth, path, {})).status, 400)
  await hearth.user('taken')
  assert.match((await post(hearth, path, { name: 'taken', ...GOOD })).text, /taken/)
})

it('puts the focus into the field at fault', async () => {
  await using hearth = await startHearth()
  const path = await addressOf(hearth)
  const focused = async (fields: Record<string, string>) => {
    const { text } = await post(hearth, path, fields)
    assert.equal(text.match(/autofocus/g)?.length, 1)
    return /name="(\w+)"[^>]*autofocus/.exec(text)?.[1]
  }
  assert.equal(await focused({ ...GOOD, keep: '', name: 'a b' }), 'name')
  assert.equal(await focused({ ...GOOD, name: 'a', password: 'short', again: 'short' }), 'password')
  assert.equal(await focused({ ...GOOD, name: 'a', again: 'other' }), 'again')
  assert.equal(await focused({ name: 'a' }), 'keep')
})

it('shows a name in small letters before it becomes that', async () => {
  await using hearth = await startHearth()
  const path = await addressOf(hearth)
  const first = await post(hearth, path, { ...GOOD, name: 'Alice' })
  assert.equal(first.status, 400)
  assert.match(first.text, /yours would be &quot;alice&quot;/)
  assert.match(first.text, /id="name" name="name" value="alice"/)
  // The page's script has shown it already.
  assert.match((await post(hearth, path, { ...GOOD, name: 'Alice', shown: 'alice' })).text, /@alice:hearth\.example/)
})

it('says what to do next at a wrong address and at a used one', async () => {
  await using hearth = await startHearth()
  assert.match((await hearth.request('GET', `${FIRST_RUN_PATH}wrong`)).text, /only the newest one works/)
  await post(hearth, await addressOf(hearth), { ...GOOD, name: 'root' })
  assert.match((await hearth.request('GET', `${FIRST_RUN_PATH}wrong`)).text, /user add NAME --admin/)
})

it('tells what a phone can reach', async () => {
  for (const [settings, isLocal] of [
    [{}, false],
    [{ server_name: 'localhost', public_baseurl: 'http://localhost:8008' }, true],
    [{ server_name: 'localhost:8008', public_baseurl: 'http://127.0.0.1:8008' }, true],
  ] as const) {
    await using hearth = await startHearth(settings)
    const path = await addressOf(hearth)
    assert.equal((await hearth.request('GET', path)).text.includes('on this machine'), isLocal)
    const done = await post(hearth, path, { ...GOOD, name: 'root' })
    assert.equal(done.text.includes('this machine only'), isLocal)
  }
})

it('the front page says what runs here', async () => {
  await using hearth = await startHearth()
  const page = await fetch(`${hearth.url}/`)
  assert.equal(page.status, 200)
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/)
  const text = await page.text()
  assert.match(text, /Matrix<\/a> homeserver/)
  assert.match(text, /https:\/\/matrix\.hearth\.example/)
  const icon = await fetch(`${hearth.url}/favicon.ico`)
  assert.equal(icon.headers.get('content-type'), 'image/svg+xml')
})
