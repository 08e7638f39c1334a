/** `PUT /_matrix/client/v3/rooms/{roomId}/typing/{userId}`: tells the room that one types, or no longer does. */
import { Type } from 'typebox'
import { forbidden } from '#core/matrix-error.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tCount, tRoomId, tUserId } from '#kit/schemas.ts'
import { TYPING_TIMEOUT_MS_DEFAULT } from '#services/typing/typing-notices.ts'

export default endpoint({
  spec: 'setTyping',
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/{roomId}/typing/{userId}',
  auth: 'user',
  rateLimit: 'other',
  params: { roomId: tRoomId, userId: tUserId },
  body: Type.Object({ typing: Type.Boolean(), timeout: Type.Optional(tCount) }),

  async handle({ params, body, caller }, { typingNotices, presence }) {
    if (params.userId !== caller.userId) throw forbidden("You can't type for someone else")
    const timeoutMs = body.typing ? (body.timeout ?? TYPING_TIMEOUT_MS_DEFAULT) : null
    await typingNotices.set(caller, params.roomId, timeoutMs)
    presence.active(caller)
    return {}
  },
})
