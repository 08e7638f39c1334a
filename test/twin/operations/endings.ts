/** What comes once, at the end of every script: it ends sessions, or answers the same whoever asks and whenever. */
import { type Operation, V1, V3 } from '#test/twin/operation.ts'
import { PASSWORD } from '#test/twin/players.ts'

const ONCE = { weight: 0 }

export const ENDING_OPERATIONS: readonly Operation[] = [
  ...[
    `getConfig /_matrix/media/v3/config`,
    `getConfigAuthed ${V1}/media/config`,
    `getProtocols ${V3}/thirdparty/protocols`,
    `getTurnServer ${V3}/voip/turnServer`,
  ].map((row): Operation => {
    const [id, path] = row.split(' ') as [string, string]
    return { ...ONCE, id, method: 'GET', path, draft: () => ({ as: 'alice 1' }) }
  }),
  {
    ...ONCE,
    id: 'uploadCrossSigningSignatures',
    method: 'POST',
    path: `${V3}/keys/signatures/upload`,
    draft: () => ({ as: 'alice 1', body: { '@nobody:elsewhere.example': { DEVICE: { user_id: '@x:y' } } } }),
  },
  {
    ...ONCE,
    id: 'logout_all',
    method: 'POST',
    path: `${V3}/logout/all`,
    draft: () => ({ as: 'bob 1', body: {} }),
  },
  {
    ...ONCE,
    id: 'deactivateAccount',
    method: 'POST',
    path: `${V3}/account/deactivate`,
    draft: () => ({
      as: 'carol 1',
      body: {
        erase: false,
        auth: { type: 'm.login.password', identifier: { type: 'm.id.user', user: '<carol>' }, password: PASSWORD },
      },
    }),
  },
]
