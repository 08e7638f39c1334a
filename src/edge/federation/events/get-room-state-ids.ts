/** `GET /_matrix/federation/v1/state_ids/{roomId}`: the ids of the state before an event, and of what authorises it. */
import { endpoint } from '#kit/endpoint.ts'
import { tEventId, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getRoomStateIds',
  method: 'GET',
  path: '/_matrix/federation/v1/state_ids/{roomId}',
  auth: 'server',
  rateLimit: false,
  params: { roomId: tRoomId },
  query: { event_id: tEventId },

  async handle({ params, query, origin }, { federation }) {
    const { state, authChain } = await federation.reads.stateReads.stateIds(origin, params.roomId, query.event_id)
    return { pdu_ids: state, auth_chain_ids: authChain }
  },
})
