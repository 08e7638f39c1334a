import assert from 'node:assert/strict'
import { it } from 'node:test'
import { AbandonedError, CLIENT_GONE } from '#services/time/abandoned.ts'
import { TimeSlice } from '#services/time/time-slice.ts'

it('work ends where its client has gone, and goes on where the server only stops', async () => {
  await new TimeSlice(AbortSignal.abort('stopping')).yieldIfDue()
  await assert.rejects(new TimeSlice(AbortSignal.abort(CLIENT_GONE)).yieldIfDue(), AbandonedError)
})
