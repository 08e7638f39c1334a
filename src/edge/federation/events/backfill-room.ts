/** `GET /_matrix/federation/v1/backfill/{roomId}`: events and those before them. */
import { Type } from 'typebox'
import { transactionOf } from '#edge/federation/shared/transaction.ts'
import { endpoint } from '#kit/endpoint.ts'
import { tCount, tEventId, tRoomId } from '#kit/schemas.ts'

export default endpoint({
  spec: 'backfillRoom',
  method: 'GET',
  path: '/_matrix/federation/v1/backfill/{roomId}',
  auth: 'server',
  rateLimit: false,
  params: { roomId: tRoomId },
  query: { v: Type.Array(tEventId, { minItems: 1 }), limit: tCount },

  async handle({ params, query, origin }, { federation, clock, config }) {
    const pdus = await federation.reads.eventReads.backfill(origin, params.roomId, query.v, query.limit)
    return transactionOf(pdus, clock, config)
  },
})
