/**
 * Every setting, documented in place: the loader checks files against this, and `hearth config example` prints it.
 * Names in the code are those of the file, so that a search finds both.
 */
import { type Static, type TSchema, Type } from 'typebox'
import { FEDERATION_LIMIT, RATE_LIMITS, settingName } from '#config/rate-limits.ts'

/** The sections whose feature doesn't exist yet; they are checked, and the start says that they do nothing. */
const LATER = { noEffectYet: true }

const RESOURCES = ['client', 'federation', 'identity', 'admin', 'metrics'] as const
export type Resource = (typeof RESOURCES)[number]

const text = (description: string, options: object = {}) => Type.String({ minLength: 1, description, ...options })
const flag = (fallback: boolean, description: string) => Type.Boolean({ default: fallback, description })
const integer = (fallback: number, minimum: number, maximum: number, description: string) =>
  Type.Integer({ default: fallback, minimum, maximum, description })
const choice = <T extends string>(values: readonly T[], options: object) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], ...options })
const ADDRESS_RANGE = '^[0-9a-fA-F.:]+(?:/[0-9]{1,3})?$'
const ranges = (description: string, example: string) =>
  Type.Array(Type.String({ pattern: ADDRESS_RANGE, expected: 'an IP address or range such as 10.0.0.0/8' }), {
    default: [],
    examples: [[example]],
    description,
  })

const listener = Type.Object({
  host: text('Address to listen on; 0.0.0.0 or :: for all.', { default: '127.0.0.1' }),
  port: Type.Integer({ minimum: 0, maximum: 65535, description: 'TCP port; 0 takes a free one.' }),
  tls: Type.Optional(
    Type.Object(
      {
        cert: text('File with the certificate chain (PEM).', { examples: ['tls.crt'] }),
        key: text('File with the private key (PEM).', { examples: ['tls.key'] }),
      },
      { description: 'Leave out where a proxy in front does TLS.' },
    ),
  ),
  resources: Type.Array(choice(RESOURCES, {}), {
    default: ['client', 'federation'],
    minItems: 1,
    description: `What is served here: ${RESOURCES.join(', ')}.`,
  }),
})

const rateLimit = Type.Object({
  per_second: Type.Number({ exclusiveMinimum: 0, maximum: 1e6, description: 'Requests a second in the long run.' }),
  burst: Type.Integer({ minimum: 1, maximum: 1e6, description: 'Requests at once after a pause.' }),
})

const federationLimit = Type.Object(
  {
    window_ms: integer(FEDERATION_LIMIT.windowMs, 1, 3_600_000, 'Time in which requests are counted.'),
    sleep_after: integer(FEDERATION_LIMIT.sleepAfter, 1, 1_000_000, 'Requests in it that are taken at once.'),
    sleep_ms: integer(FEDERATION_LIMIT.sleepMs, 0, 60_000, 'How long further ones wait first.'),
    reject_after: integer(FEDERATION_LIMIT.rejectAfter, 1, 1_000_000, 'Waiting requests; further ones are refused.'),
    concurrent: integer(FEDERATION_LIMIT.concurrent, 1, 10_000, 'Requests that are worked on at a time.'),
  },
  { default: {}, description: 'Requests of each other server.' },
)

const rateLimitTable = Type.Object({
  ...Object.fromEntries(
    Object.entries(RATE_LIMITS).map(([name, { perSecond, burst }]) => [
      settingName(name),
      Type.Optional(
        Type.Unsafe<Static<typeof rateLimit>>({ ...rateLimit, examples: [{ per_second: perSecond, burst }] }),
      ),
    ]),
  ),
  federation: federationLimit,
})

const federation = Type.Object(
  {
    server_overrides: Type.Record(Type.String(), Type.String(), {
      default: {},
      examples: [{ 'other.example': '127.0.0.1:41002' }],
      description: 'Where to find named servers, instead of looking their address up.',
    }),
    ca_file: Type.Optional(
      text('Certificate authorities trusted besides the system’s (PEM).', { examples: ['ca.crt'] }),
    ),
    allow_ip_ranges: ranges('Exceptions from the built-in list of private addresses.', '127.0.0.0/8'),
    retry: Type.Object(
      {
        base_ms: integer(60_000, 1, 86_400_000, 'Pause after the first failure towards a server.'),
        max_ms: integer(3_600_000, 1, 604_800_000, 'Longest pause.'),
      },
      { default: {} },
    ),
    trusted_key_servers: Type.Array(Type.String(), { default: [], description: 'Servers asked for others’ keys.' }),
    device_names: flag(false, 'Tell other servers the names of users’ devices.'),
  },
  { default: {}, description: 'Talking to other homeservers.' },
)

const outbound = Type.Object(
  {
    insecure_tls_for_testing: flag(false, 'Accept any certificate. Never in production.'),
    allow_ip_ranges: Type.Object(
      {
        url_previews: ranges('', '10.0.0.0/8'),
        push: ranges('', '10.0.0.0/8'),
        app_services: ranges('', '10.0.0.0/8'),
        identity: ranges('', '10.0.0.0/8'),
      },
      { default: {}, description: 'Exceptions from the built-in list of private addresses.' },
    ),
  },
  { default: {}, description: 'HTTPS requests to what isn’t a homeserver.', ...LATER },
)

const MIB = 1024 * 1024
const bytes = (fallback: number, description: string) =>
  integer(fallback, 1, Number.MAX_SAFE_INTEGER, `${description}, in bytes.`)

const storageLimits = Type.Object(
  {
    account_data: bytes(10 * MIB, 'Account data, room tags and push rules'),
    key_backup: bytes(256 * MIB, 'Backed-up keys of encrypted messages, in all versions'),
    encryption_keys: bytes(32 * MIB, 'Keys of devices, one-time keys, and signatures'),
    devices: integer(1_000, 1, 1_000_000, 'Devices, each of which is a login.'),
    filters: bytes(2 * MIB, 'Filters for /sync'),
    profile: bytes(MIB / 4, 'Fields of the profile, with the names of deleted ones'),
    receipts: integer(200_000, 1, Number.MAX_SAFE_INTEGER, 'Read receipts, one a room and thread.'),
    aliases: integer(1_000, 1, 1_000_000, 'Room aliases.'),
    to_device: bytes(64 * MIB, 'Messages that wait for the user’s devices, besides 256 KiB for each device'),
    queued_to_device: bytes(64 * MIB, 'Messages of the user that wait for devices on other servers'),
  },
  { default: {}, description: 'The most that each user may store. What would be more is refused (M_TOO_LARGE).' },
)

const rooms = Type.Object(
  {
    default_version: text(
      'Room version of new rooms. Apps from before version 12 (2025) don\'t know that a room\'s creators outrank its power levels there: where many people use such apps, set "11".',
      { default: '12' },
    ),
    public_list_without_auth: flag(false, 'Show the list of published rooms to anybody.'),
    public_list_over_federation: flag(false, 'Show it to other servers.'),
    publication: Type.Array(
      Type.Object({
        action: choice(['allow', 'deny'], {}),
        user_id: Type.Optional(text('Glob of who publishes.', { examples: ['@admin:*'] })),
        room_id: Type.Optional(text('Glob of the room.', { examples: ['!*'] })),
        alias: Type.Optional(text('Glob of the alias.', { examples: ['#*:example.org'] })),
      }),
      { default: [{ action: 'allow' }], description: 'Who may publish rooms: the first rule that fits decides.' },
    ),
    aliases_without_membership: flag(false, 'Allow aliases for rooms that one isn’t in.'),
  },
  { default: {}, description: 'Rooms and the list of published ones.' },
)

export const configSchema = Type.Object({
  server_name: text('The name after the colon in user ids. It can never be changed. May hold a port.', {
    default: 'localhost',
    examples: ['example.org'],
    pattern: '^(?:[0-9A-Za-z.-]{1,230}|\\[[0-9A-Fa-f:.]{2,45}\\])(?::[0-9]{1,5})?$',
    expected: 'a host name, with a port if need be',
  }),
  public_baseurl: Type.Optional(
    text('Where clients reach this server. By default https:// and the server name.', {
      pattern: '^https?://[^/?#]+/?$',
      expected: 'an address such as https://matrix.example.org',
      examples: ['https://matrix.example.org'],
    }),
  ),
  data_dir: text('Folder of everything that is kept: database, media, signing keys.', { default: './data' }),
  database: text('sqlite (a file in data_dir), or the address of a PostgreSQL database.', {
    default: 'sqlite',
    pattern: '^(?:sqlite|postgres(?:ql)?://.+)$',
    expected: 'sqlite, or postgres://user:password@host/name',
  }),
  log: Type.Object(
    {
      level: choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace'], { default: 'info' }),
      format: choice(['pretty', 'json'], { default: 'pretty' }),
    },
    { default: {}, description: 'Logs go to standard output.' },
  ),
  listeners: Type.Array(listener, {
    default: [{ port: 8008 }],
    minItems: 1,
    description: 'Where to listen, and for what.',
    examples: [
      [
        { host: '0.0.0.0', port: 8448, tls: { cert: 'tls.crt', key: 'tls.key' }, resources: ['federation', 'client'] },
        { host: '127.0.0.1', port: 8008, resources: ['client', 'federation'] },
        { host: '127.0.0.1', port: 9090, resources: ['metrics'] },
      ],
    ],
  }),
  trusted_proxies: ranges('Proxies whose X-Forwarded-For is believed.', '127.0.0.1'),
  connections_per_address: integer(
    500,
    1,
    20_000,
    'Connections of one address at a time. Those of this machine and of trusted_proxies are not counted.',
  ),
  registration: Type.Object(
    {
      enabled: flag(false, 'Let anybody make an account.'),
      guests: flag(false, 'Let anybody look around as a guest.'),
      shared_secret: Type.Optional(
        text('Lets scripts that know it make accounts.', { examples: ['a long random text'] }),
      ),
      tokens_required: Type.Boolean({ default: false, description: 'Ask for a registration token.', ...LATER }),
    },
    { default: {}, description: 'How accounts come into being, besides `hearth user add`.' },
  ),
  rate_limits: Type.Union([Type.Literal(false), rateLimitTable], {
    default: {},
    description: 'false switches all limits off. What isn’t named keeps its default.',
    examples: [{ message: { per_second: 0.2, burst: 10 } }],
  }),
  password_hash: Type.Object(
    {
      memory_kib: integer(19_456, 8, 4_194_304, 'Memory of argon2id.'),
      passes: integer(2, 1, 100, 'Passes of argon2id.'),
    },
    { default: {}, description: 'What guessing a stolen password hash costs.' },
  ),
  federation,
  outbound,
  app_services: Type.Array(Type.String(), {
    default: [],
    examples: [['bridge.yaml']],
    description: 'Registration files of bridges.',
    ...LATER,
  }),
  presence: flag(true, 'Tell users who is online.'),
  media: Type.Object(
    { max_upload_bytes: integer(52_428_800, 1, Number.MAX_SAFE_INTEGER, 'Largest upload.') },
    { default: {}, description: 'Files.', ...LATER },
  ),
  smtp: Type.Optional(
    Type.Object(
      {
        host: text('Mail server.', { examples: ['127.0.0.1'] }),
        port: Type.Integer({ minimum: 1, maximum: 65535, default: 25, examples: [1025] }),
      },
      { description: 'How mail leaves.', ...LATER },
    ),
  ),
  recaptcha: Type.Optional(
    Type.Object(
      {
        siteverify_api: text('', { examples: ['https://www.recaptcha.net/recaptcha/api/siteverify'] }),
        public_key: text('', { examples: ['key'] }),
        private_key: text('', { examples: ['key'] }),
      },
      { description: 'Captcha at registration.', ...LATER },
    ),
  ),
  cas: Type.Optional(
    Type.Object(
      { server_url: text('', { examples: ['https://cas.example.org'] }) },
      { description: 'Login by a CAS server.', ...LATER },
    ),
  ),
  rooms,
  storage_limits: storageLimits,
  url_previews: Type.Object(
    {
      enabled: flag(false, 'Fetch pages that are linked in messages.'),
      ports: Type.Array(Type.Integer({ minimum: 1, maximum: 65535 }), { default: [80, 443] }),
    },
    { default: {}, description: 'Previews of links.', ...LATER },
  ),
  server_notices: Type.Optional(
    Type.Object(
      {
        localpart: text('', { default: 'notices' }),
        display_name: Type.Optional(text('', { examples: ['Notices'] })),
        room_name: Type.Optional(text('', { examples: ['Notices of this server'] })),
      },
      { description: 'Messages of the administration to users.', ...LATER },
    ),
  ),
  delayed_events: Type.Object(
    { max_delay_ms: integer(86_400_000, 0, 2_147_483_647, 'Longest delay.') },
    { default: {}, description: 'Messages that are sent later.', ...LATER },
  ),
})

type Settings = Static<typeof configSchema>

/** The settings as the program sees them: complete, paths absolute, nothing to be changed. */
export type Config = Readonly<Omit<Settings, 'public_baseurl' | 'database'>> & {
  /** Without a slash at the end. */
  readonly public_baseurl: string
  /** `sqlite`, or a `postgres://` URL. */
  readonly database: string
  /** Sections in the file that do nothing yet. */
  readonly without_effect: readonly string[]
}

export type Annotations = TSchema & {
  readonly default?: unknown
  readonly description?: string
  readonly examples?: readonly unknown[]
  /** What a wrong value should have been, in words. */
  readonly expected?: string
  readonly noEffectYet?: boolean
}
