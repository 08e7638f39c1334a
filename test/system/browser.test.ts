/** The first minutes of somebody who starts Hearth: the address it prints, the page in a browser, the first login. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { type Browser, chromium } from 'playwright-core'
import { Api, V3 } from '#test/system/harness/api.ts'
import { Hearth, SERVER_NAME } from '#test/system/harness/hearth.ts'
import { until } from '#test/system/harness/until.ts'

const CHROMIUM = '/usr/bin/chromium'
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const skip = existsSync(CHROMIUM) ? false : `NOT tested: ${CHROMIUM} is missing`

describe('the first administrator, in a browser', { skip }, () => {
  let hearth: Hearth
  let browser: Browser
  let address: string
  before(async () => {
    hearth = await Hearth.start({
      config: { log: { level: 'info', format: 'json' }, registration: { enabled: false } },
    })
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS })
  })
  after(async () => {
    await browser?.close()
    await hearth[Symbol.asyncDispose]()
  })

  it('the start prints an address', async () => {
    const printed = await until('the address', () => /http:\/\/\S+\/_hearth\/first-run\/[\w-]+/.exec(hearth.output))
    address = printed[0]
    assert.ok(address.startsWith(hearth.url), address)
  })

  it('the page refuses what is wrong and says so', async () => {
    const page = await browser.newPage()
    await page.goto(address)
    assert.equal(await page.locator('h1').textContent(), 'Welcome to Hearth')
    assert.match((await page.textContent('main')) ?? '', new RegExp(SERVER_NAME))
    await page.check('input[name=keep]')
    await page.fill('input[name=name]', 'Not Allowed')
    await page.fill('input[name=password]', 'open sesame')
    await page.fill('input[name=again]', 'open sesame')
    await page.click('button[type=submit]')
    await page.waitForSelector('[role=alert]')
    assert.equal(await page.inputValue('input[name=name]'), 'Not Allowed')
    assert.equal(await page.evaluate('document.activeElement.id'), 'name')
    assert.equal(await page.inputValue('input[name=password]'), '')
    await page.close()
  })

  it('the form makes the administrator, and the next page says how to log in', async () => {
    const errors: string[] = []
    const page = await browser.newPage()
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text())
    })
    page.on('pageerror', (error) => errors.push(error.message))
    await page.goto(address)
    await page.getByLabel(/for good/).check()
    await page.getByLabel('User name').fill('Root')
    assert.equal(await page.textContent('#user-id'), `@root:${SERVER_NAME}`)
    await page.getByLabel('Password', { exact: true }).fill('open sesame')
    await page.getByLabel('Repeat the password').fill('open sesame')
    await page.getByRole('button').click()
    await page.waitForSelector('#user-id')
    const text = (await page.textContent('main')) ?? ''
    assert.match(text, /Element/)
    assert.equal(await page.textContent('#homeserver'), hearth.url)
    assert.equal(await page.textContent('#user-id'), `@root:${SERVER_NAME}`)
    assert.deepEqual(errors, [])
    await page.close()
  })

  it('the administrator logs in', async () => {
    const root = await new Api(hearth.url).login('root', 'open sesame')
    assert.equal((await root.get(`${V3}/account/whoami`)).user_id, `@root:${SERVER_NAME}`)
    await root.createRoom({ name: 'First' })
  })

  it('the address is dead, also after a restart, which prints none', async () => {
    const page = await browser.newPage()
    assert.equal((await page.goto(address))?.status(), 403)
    assert.equal(await page.locator('form').count(), 0)
    await hearth.stop()
    const before = hearth.output.length
    await hearth.boot()
    assert.doesNotMatch(hearth.output.slice(before), /first-run/)
    assert.equal((await page.goto(address))?.status(), 403)
    await page.close()
  })
})
