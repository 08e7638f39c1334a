/** `GET /_matrix/federation/v1/state/{roomId}`: the state before an event, and what authorises it. */
import { endpoint } from '#kit/endpoint.ts'
import { tEventId, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getRoomState',
  method: 'GET',
  path: '/_matrix/federation/v1/state/{roomId}',
  auth: 'server',
  rateLimit: false,
  params: { roomId: tRoomId },
  query: { event_id: tEventId },

  async handle({ params, query, origin }, { federation }) {
    const { state, authChain } = await federation.reads.stateReads.state(origin, params.roomId, query.event_id)
    return { pdus: state, auth_chain: authChain }
  },
})
