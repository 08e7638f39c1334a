/** `GET /_matrix/client/v3/capabilities`: what the server lets the user do. */
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import { endpoint } from '#kit/endpoint.ts'

const available = Object.fromEntries([...ROOM_VERSIONS.keys()].map((version) => [version, 'stable']))

export default endpoint({
  spec: 'getCapabilities',
  method: 'GET',
  path: '/_matrix/client/v3/capabilities',
  auth: 'user-or-guest',
  rateLimit: 'other',
  handle: ({ caller }, { config }) => ({
    capabilities: {
      'm.room_versions': { default: config.rooms.default_version, available },
      'm.change_password': { enabled: !caller.isGuest },
      'm.profile_fields': caller.isGuest ? { enabled: true, allowed: ['displayname'] } : { enabled: true },
      // Deprecated, but to be set "accordingly".
      'm.set_displayname': { enabled: true },
      'm.set_avatar_url': { enabled: !caller.isGuest },
      'm.3pid_changes': { enabled: false },
      'm.get_login_token': { enabled: false },
    },
  }),
})
