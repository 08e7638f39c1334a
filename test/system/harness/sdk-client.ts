/** matrix-js-sdk as Element uses it, without a browser: its own sync loop and its own store in memory. */
import {
  ClientEvent,
  createClient,
  type ICreateClientOpts,
  type IStartClientOpts,
  type MatrixClient,
  SyncState,
} from 'matrix-js-sdk'
import { logger as sdkLogger } from 'matrix-js-sdk/lib/logger.js'

// The SDK tells its whole life on the console, partly past the logger that a client is given.
const logger = { trace() {}, debug() {}, log() {}, info() {}, warn() {}, error() {}, getChild: () => logger }
Object.defineProperties(
  sdkLogger,
  Object.fromEntries(Object.entries(logger).map(([name, value]) => [name, { value, writable: true }])),
)

const PASSWORD = 'sesame'

/** Makes an account the way the SDK's users do: asks, is told the flows, answers with the dummy stage. */
export async function registerWithSdk(baseUrl: string, username: string): Promise<MatrixClient> {
  const session = await createClient({ baseUrl, logger }).registerRequest({
    username,
    password: PASSWORD,
    auth: { type: 'm.login.dummy' },
  })
  return signedIn(baseUrl, session as Session)
}

/** A new device of an account. */
export async function loginWithSdk(
  baseUrl: string,
  username: string,
  options: Partial<ICreateClientOpts> = {},
): Promise<MatrixClient> {
  const session = await createClient({ baseUrl, logger }).loginRequest({
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: username },
    password: PASSWORD,
  })
  return signedIn(baseUrl, session as Session, options)
}

type Session = { user_id: string; access_token: string; device_id: string }

function signedIn(
  baseUrl: string,
  { user_id, access_token, device_id }: Session,
  options: Partial<ICreateClientOpts> = {},
): MatrixClient {
  return createClient({
    baseUrl,
    userId: user_id,
    accessToken: access_token,
    deviceId: device_id,
    timelineSupport: true,
    logger,
    ...options,
  })
}

/** Starts syncing; resolves when the first sync is in. */
export async function startSdk(client: MatrixClient, options: IStartClientOpts = {}): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  client.on(ClientEvent.Sync, (state) => {
    if (state === SyncState.Prepared) resolve()
  })
  await client.startClient({ initialSyncLimit: 20, lazyLoadMembers: true, threadSupport: true, ...options })
  await promise
}
