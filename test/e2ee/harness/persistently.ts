import { setTimeout as pause } from 'node:timers/promises'
import { MatrixError } from 'matrix-js-sdk'
import { RequestFailed } from '#test/system/harness/api.ts'

const ASK_AGAIN_MS = 25

/** Asks until an answer comes. @throws RequestFailed, MatrixError for an answer that refuses */
export async function persistently<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (error instanceof RequestFailed || error instanceof MatrixError) throw error
      await pause(ASK_AGAIN_MS)
    }
  }
}
