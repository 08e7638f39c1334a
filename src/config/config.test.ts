/** The settings: defaults, what is refused and how it is named, the example, the environment. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { exampleConfig } from '#config/example.ts'
import { parseConfig } from '#config/load.ts'
import { ConfigError } from '#config/problems.ts'
import { FEDERATION_LIMIT, federationLimit, RATE_LIMITS, rateLimits } from '#config/rate-limits.ts'

const read = (text: string, environment: Record<string, string> = {}) =>
  parseConfig(text, { source: 'hearth.yaml', folder: '/etc/hearth', environment })

/** The message with which a text is refused. */
function refusal(text: string, environment: Record<string, string> = {}): string {
  try {
    read(text, environment)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.message
  }
  assert.fail(`accepted: ${text}`)
}

describe('settings', () => {
  it('are complete without a file', () => {
    const config = read('')
    assert.equal(config.server_name, 'localhost')
    assert.equal(config.public_baseurl, 'http://localhost:8008')
    assert.equal(config.data_dir, '/etc/hearth/data')
    assert.deepEqual(config.listeners, [{ host: '127.0.0.1', port: 8008, resources: ['client', 'federation'] }])
    assert.equal(config.registration.enabled, false)
    assert.deepEqual(rateLimits(config.rate_limits), RATE_LIMITS)
    assert.deepEqual(federationLimit(config.rate_limits), FEDERATION_LIMIT)
    assert.deepEqual(config.without_effect, [])
  })

  it('are frozen at every depth', () => {
    const config = read('')
    assert.ok(Object.isFrozen(config) && Object.isFrozen(config.listeners[0]) && Object.isFrozen(config.rooms))
  })

  it('take paths from the folder of the file', () => {
    const config = read(
      'data_dir: d\nlisteners: [{ port: 1, tls: { cert: a.crt, key: /k } }]\nfederation: { ca_file: ca }',
    )
    assert.equal(config.data_dir, '/etc/hearth/d')
    assert.deepEqual(config.listeners[0]?.tls, { cert: '/etc/hearth/a.crt', key: '/k' })
    assert.equal(config.federation.ca_file, '/etc/hearth/ca')
  })

  it('make the base address from the server name', () => {
    assert.equal(read('server_name: example.org').public_baseurl, 'https://example.org')
    assert.equal(read('public_baseurl: https://m.example.org/').public_baseurl, 'https://m.example.org')
  })

  it('merge rate limits with the built-in ones, or switch them off', () => {
    const limits = rateLimits(read('rate_limits: { login_per_address: { per_second: 1, burst: 2 } }').rate_limits)
    assert.ok(limits !== false)
    assert.deepEqual(limits.loginPerAddress, { perSecond: 1, burst: 2 })
    assert.deepEqual(limits.message, RATE_LIMITS.message)
    assert.equal(rateLimits(read('rate_limits: false').rate_limits), false)
    const federation = federationLimit(read('rate_limits: { federation: { concurrent: 9 } }').rate_limits)
    assert.deepEqual(federation, { ...FEDERATION_LIMIT, concurrent: 9 })
    assert.equal(federationLimit(read('rate_limits: false').rate_limits), false)
  })

  it('are JSON too', () => {
    assert.equal(read('{"server_name": "a.example", "log": {"level": "debug"}}').log.level, 'debug')
  })

  it('come from the environment as well, which wins', () => {
    const environment = { HEARTH_SERVER_NAME: 'env.example', HEARTH_LOG_LEVEL: 'warn', HEARTH_TEST_X: '1', HOME: '/' }
    const config = read('server_name: file.example\nlog: { format: json }', environment)
    assert.deepEqual([config.server_name, config.log], ['env.example', { level: 'warn', format: 'json' }])
  })

  it('say which sections do nothing yet', () => {
    assert.deepEqual(read('media: {}\nsmtp: { host: m }').without_effect, ['media', 'smtp'])
  })
})

describe('wrong settings', () => {
  const cases: readonly [text: string, message: RegExp][] = [
    ['server_nam: x', /^hearth\.yaml:1: server_nam: is no setting; did you mean server_name\?$/],
    ['frobnicate: 1', /^hearth\.yaml:1: frobnicate: is no setting$/],
    ['\nlog:\n  levle: info', /^hearth\.yaml:3: log\.levle: is no setting; did you mean level\?$/],
    ['log:\n  level: loud', /^hearth\.yaml:2: log\.level: must be one of fatal, error, warn, info, debug, trace$/],
    ['log: 5', /^hearth\.yaml:1: log: must be a table of settings$/],
    ['listeners: []', /listeners: must be a list with at least one entry$/],
    [
      'listeners:\n  - host: a\n',
      /^hearth\.yaml:2: listeners\.0\.port: is missing; it must be a whole number from 0 to 65535$/,
    ],
    ['listeners:\n  - port: 65536', /^hearth\.yaml:2: listeners\.0\.port: must be a whole number from 0 to 65535$/],
    ['listeners: [{ port: "80" }]', /listeners\.0\.port: must be a whole number/],
    ['listeners: [{ port: 1, resources: [cleint] }]', /listeners\.0\.resources\.0: must be one of client, /],
    ['server_name: "a b"', /server_name: must be a host name/],
    ['server_name: 5', /server_name: must be a host name/],
    ['database: mysql://x', /database: must be sqlite, or postgres:/],
    ['public_baseurl: ftp://x', /public_baseurl: must be an address/],
    ['registration: { enabled: "yes" }', /registration\.enabled: must be true or false/],
    ['rate_limits: true', /rate_limits: must be false, or a table of settings/],
    [
      'rate_limits: { mesage: { per_second: 1, burst: 1 } }',
      /rate_limits\.mesage: is no setting; did you mean message\?/,
    ],
    [
      'rate_limits: { message: { per_second: 0, burst: 1 } }',
      /rate_limits\.message\.per_second: must be a number above 0/,
    ],
    ['trusted_proxies: [example.org]', /trusted_proxies\.0: must be an IP address/],
    ['federation: { server_overrides: { a: 5 } }', /federation\.server_overrides: must be/],
    ['- a', /^hearth\.yaml: must be a table of settings$/],
    ['a: [', /^hearth\.yaml:\d+: /],
    ['log: {}\nlog: {}', /^hearth\.yaml:2: .*unique/],
    ['constructor: 1', /constructor: is no setting/],
  ]
  for (const [text, message] of cases) {
    it(`are refused by name: ${JSON.stringify(text)}`, () => assert.match(refusal(text), message))
  }

  it('are named all at once', () => {
    assert.equal(refusal('a: 1\nb: 2\nlog: { level: 5 }').split('\n').length, 3)
  })

  it('of the environment are named too', () => {
    assert.match(
      refusal('', { HEARTH_SERVERNAME: 'x' }),
      /HEARTH_SERVERNAME: is no setting; did you mean HEARTH_SERVER_NAME\?/,
    )
  })
})

describe('the example', () => {
  it('is accepted as it is', () => {
    assert.equal(read(exampleConfig()).server_name, 'example.org')
  })

  it('is accepted with every setting switched on', () => {
    const config = read(exampleConfig().replaceAll(/^#(?! \S)/gm, ''))
    assert.equal(config.smtp?.port, 1025)
    assert.equal(config.listeners.length, 3)
    assert.deepEqual(config.url_previews.ports, [80, 443])
  })
})
