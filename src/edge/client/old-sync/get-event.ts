/** `GET /_matrix/client/v3/events/{eventId}`: one event, whatever room it is in. */
import { endpoint } from '#kit/endpoint.ts'
import { tEventId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getOneEvent',
  method: 'GET',
  path: '/_matrix/client/v3/events/{eventId}',
  auth: 'user',
  rateLimit: false,
  params: { eventId: tEventId },

  handle({ params, caller }, { timeline }) {
    return timeline.event(caller, null, params.eventId)
  },
})
