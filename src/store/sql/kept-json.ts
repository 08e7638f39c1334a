import { EVENT_DEPTH_MAX, parseJsonText } from '#core/json/parse.ts'
import type { JsonObject } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'

/**
 * Reads an object that clients own, whose numbers stay as they were sent: `1.0`, and integers past 2^53. What is stored
 * was judged when it came; it is read even where it would not be taken today.
 */
export function keptObject(text: string): JsonObject {
  try {
    return parseJsonText(text, { depthMax: EVENT_DEPTH_MAX, lossless: true }) as JsonObject
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
    return JSON.parse(text) as JsonObject
  }
}
