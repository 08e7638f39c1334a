/** `GET /_matrix/client/v3/rooms/{roomId}/members`: the member events of a room, now or at a point in time. */
import { Type } from 'typebox'
import { endpoint } from '#kit/endpoint.ts'
import { tRoomId } from '#kit/schemas.ts'

const tMembership = Type.Union([
  Type.Literal('join'),
  Type.Literal('invite'),
  Type.Literal('knock'),
  Type.Literal('leave'),
  Type.Literal('ban'),
])

export default endpoint({
  spec: 'getMembersByRoom',
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/members',
  auth: 'user-or-guest',
  rateLimit: false,
  params: { roomId: tRoomId },
  query: {
    at: Type.Optional(Type.String()),
    membership: Type.Optional(tMembership),
    not_membership: Type.Optional(tMembership),
  },

  async handle({ params, query, caller, signal }, { roomState, federation }) {
    const options = {
      at: query.at ?? null,
      membership: query.membership ?? null,
      notMembership: query.not_membership ?? null,
    }
    const { partialStates } = federation.memberships
    const read = () => roomState.members(caller, params.roomId, options)
    return { chunk: await partialStates.readWhole(params.roomId, signal, read) }
  },
})
