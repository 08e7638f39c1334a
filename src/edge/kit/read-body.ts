import type { IncomingMessage } from 'node:http'
import { MatrixError, tooLarge } from '#core/matrix-error.ts'

/** How much more than allowed is read and thrown away, so that a client that sends first still gets the 413. */
const DISCARDED_BYTES_MAX = 8 * 1024 * 1024

/**
 * Reads a request's body of at most `bytesMax` bytes. Throws `M_TOO_LARGE` for more; a body that is far too large is
 * left unread, and the connection must be closed.
 */
export async function readBody(message: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const refusal = () => tooLarge(`The body is larger than ${bytesMax} bytes`)
  if (Number(message.headers['content-length'] ?? 0) > bytesMax + DISCARDED_BYTES_MAX) throw refusal()
  let chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of message.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes <= bytesMax) chunks.push(chunk)
      else chunks = []
      if (bytes > bytesMax + DISCARDED_BYTES_MAX) break
    }
  } catch {
    // The client went away in the middle; nobody will read this answer.
    throw new MatrixError('M_NOT_JSON', 'The body ended early')
  }
  if (bytes > bytesMax) throw refusal()
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}
