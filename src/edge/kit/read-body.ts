import type { IncomingMessage } from 'node:http'
import { MatrixError, tooLarge } from '#core/matrix-error.ts'
import type { BodyShare } from '#kit/body-budget.ts'

/**
 * How much of a body that nobody wants is read and thrown away after the answer, so that a client that sends first
 * still gets it. For more the connection is cut.
 */
const DISCARDED_BYTES_MAX = 16 * 1024 * 1024

/** Whether a request says that a body follows. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/**
 * Reads a request's body of at most `bytesMax` bytes, each of which `share` has room for. What is left of a refused one
 * is for `discardBody`.
 *
 * @throws MatrixError M_TOO_LARGE; M_NOT_JSON where the client went away; what `share` throws
 */
export function readBody(message: IncomingMessage, bytesMax: number, share: BodyShare): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const refusal = () => tooLarge(`The body is larger than ${bytesMax} bytes`)
  if (Number(message.headers['content-length'] ?? 0) > bytesMax) return Promise.reject(refusal())
  const chunks: Buffer[] = []
  let bytes = 0
  const onData = (chunk: Buffer) => {
    bytes += chunk.length
    try {
      if (bytes > bytesMax) throw refusal()
      share.take(chunk.length)
      chunks.push(chunk)
    } catch (error) {
      finish()
      reject(error)
    }
  }
  const onEnd = () => {
    finish()
    resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
  }
  const onClose = () => {
    finish()
    // Nobody will read this answer.
    reject(new MatrixError('M_NOT_JSON', 'The body ended early'))
  }
  const finish = () => {
    message.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
    // Whatever still comes to a refused one is an error that nobody waits for.
    message.on('error', () => {})
  }
  if (message.destroyed) onClose()
  else message.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
  return promise
}

/** Reads what is left of a body, if anything, and throws it away; cuts the connection where that is too much. */
export function discardBody(message: IncomingMessage): void {
  if (message.complete || message.destroyed) {
    message.resume()
    return
  }
  let bytes = 0
  message.on('error', () => {})
  message.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > DISCARDED_BYTES_MAX) message.socket.destroy()
  })
}
