import type { ServerName } from '#core/ids.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import type { JsonObject } from '#core/json/value.ts'
import { MatrixError } from '#core/matrix-error.ts'

/** "They can have at most 50 PDUs and 100 EDUs." */
export const TRANSACTION_PDUS_MAX = 50
export const TRANSACTION_EDUS_MAX = 100
/** Many servers stand behind a proxy that takes bodies of one megabyte only. */
export const TRANSACTION_BYTES_MAX = 900_000

export type Transaction = {
  readonly body: JsonObject
  readonly bytes: number
  /** How many of the given PDUs and EDUs are in it or will never be: from the beginning of each list. */
  readonly pdus: number
  readonly edus: number
  /** Of these, how many can't be written as JSON that others accept, and were left out. */
  readonly dropped: number
}

/**
 * The transaction of as many PDUs and EDUs from the beginning of the lists as fit, PDUs first. Something that can't be
 * sent is left out, so that it never holds up what comes after it (S40); one item always fits.
 */
export function transactionOf(
  origin: ServerName,
  ts: number,
  pdus: readonly JsonObject[],
  edus: readonly JsonObject[],
): Transaction {
  let bytes = 0
  let dropped = 0
  const fitting = (items: readonly JsonObject[], max: number) => {
    const kept: JsonObject[] = []
    let taken = 0
    for (const item of items.slice(0, max)) {
      const size = sizeOf(item)
      if (size !== null && bytes > 0 && bytes + size > TRANSACTION_BYTES_MAX) break
      taken += 1
      if (size === null) dropped += 1
      else {
        bytes += size
        kept.push(item)
      }
    }
    return { kept, taken }
  }
  const sentPdus = fitting(pdus, TRANSACTION_PDUS_MAX)
  const sentEdus = fitting(edus, TRANSACTION_EDUS_MAX)
  return {
    body: {
      origin,
      origin_server_ts: ts,
      pdus: sentPdus.kept,
      ...(sentEdus.kept.length > 0 && { edus: sentEdus.kept }),
    },
    bytes,
    pdus: sentPdus.taken,
    edus: sentEdus.taken,
    dropped,
  }
}

/** The size of an item as it is sent; null where it can't be. */
function sizeOf(item: JsonObject): number | null {
  try {
    return Buffer.byteLength(canonicalJson(item))
  } catch (error) {
    if (error instanceof MatrixError) return null
    throw error
  }
}
