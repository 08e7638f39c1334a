/** `PUT /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}`: sends a state event. */
import { Type } from 'typebox'
import { isUserId } from '#core/ids.ts'
import { member } from '#core/json/value.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tJsonObject, tNewEventType, tRoomId, tStateKey } from '#kit/schemas.ts'

export default endpoint({
  spec: 'setRoomStateWithKey',
  method: 'PUT',
  path: [
    '/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}',
    // "When an empty string, the trailing slash on this endpoint is optional."
    '/_matrix/client/v3/rooms/{roomId}/state/{eventType}',
  ],
  auth: 'user-or-guest',
  rateLimit: 'message',
  params: { roomId: tRoomId, eventType: tNewEventType, stateKey: Type.Optional(tStateKey) },
  body: tJsonObject,
  numbers: 'lossless',

  async handle({ params, body, caller }, { rooms, federation }) {
    const { roomId, eventType: type, stateKey = '' } = params
    if (type === 'm.room.member' && member(body, 'membership') === 'invite' && isUserId(stateKey)) {
      const eventId = await federation.memberships.remoteMemberships.inviteByState(caller, roomId, stateKey, body)
      if (eventId !== null) return { event_id: eventId }
    }
    return { event_id: await rooms.sending.sendState({ roomId, sender: caller, type, stateKey, content: body }) }
  },
})
