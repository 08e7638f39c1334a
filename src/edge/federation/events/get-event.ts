/** `GET /_matrix/federation/v1/event/{eventId}`: one event. */
import { transactionOf } from '#edge/federation/shared/transaction.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tEventId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'getEvent',
  method: 'GET',
  path: '/_matrix/federation/v1/event/{eventId}',
  auth: 'server',
  rateLimit: false,
  params: { eventId: tEventId },

  async handle({ params, origin }, { federation, clock, config }) {
    return transactionOf([await federation.reads.eventReads.event(origin, params.eventId)], clock, config)
  },
})
