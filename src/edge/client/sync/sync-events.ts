/** `GET /_matrix/client/v3/sync`: what is new, or everything. */
import { Type } from 'typebox'
import { type Filter, parseFilter } from '#core/filter/filter.ts'
import { CLIENT_DEPTH_MAX, parseJsonText } from '#core/json/parse.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tCount } from '#kit/schemas.ts'
import type { Caller } from '#services/accounts/caller.ts'
import type { Filters } from '#services/filters/filters.ts'
import type { StateAfter } from '#services/sync/sync-types.ts'
import { parseStreamToken } from '#services/timeline/tokens.ts'

const tPresence = Type.Union([Type.Literal('online'), Type.Literal('offline'), Type.Literal('unavailable')])

export default endpoint({
  spec: 'sync',
  method: 'GET',
  path: '/_matrix/client/v3/sync',
  auth: 'user-or-guest',
  rateLimit: false,
  longPoll: true,
  query: {
    filter: Type.Optional(Type.String()),
    since: Type.Optional(Type.String()),
    full_state: Type.Optional(Type.Boolean()),
    set_presence: Type.Optional(tPresence),
    timeout: Type.Optional(tCount),
    use_state_after: Type.Optional(Type.Boolean()),
    'org.matrix.msc4222.use_state_after': Type.Optional(Type.Boolean()),
  },

  async handle({ query, caller, signal }, { sync, filters, presence }) {
    const request = {
      viewer: caller,
      since: query.since === undefined ? null : parseStreamToken(query.since),
      timeoutMs: query.timeout ?? 0,
      filter: await filterOf(query.filter, caller, filters),
      fullState: query.full_state ?? false,
      stateAfter: stateAfterOf(query),
    }
    const endPoll = presence.poll(caller, query.set_presence)
    try {
      return await sync.sync(request, signal)
    } finally {
      endPoll()
    }
  },
})

function stateAfterOf(query: {
  use_state_after?: boolean
  'org.matrix.msc4222.use_state_after'?: boolean
}): StateAfter | null {
  if (query.use_state_after === true) return 'state_after'
  return query['org.matrix.msc4222.use_state_after'] === true ? 'org.matrix.msc4222.state_after' : null
}

/** "The server will detect whether it is an ID or a JSON object by whether the first character is a `{`." */
async function filterOf(text: string | undefined, caller: Caller, filters: Filters): Promise<Filter> {
  if (text === undefined) return parseFilter({})
  if (text.startsWith('{')) return parseFilter(parseJsonText(text, { depthMax: CLIENT_DEPTH_MAX }))
  return filters.filter(caller, text)
}
