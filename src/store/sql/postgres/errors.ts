const SERIALIZATION_FAILURE = '40001'
const DEADLOCK_DETECTED = '40P01'

/** Codes of Node and SQLSTATEs after which the connection is gone. Class 08 and 57P are those of the server. */
const CONNECTION_LOST = /^(08...|57P0[1-3]|25P03|ECONNRESET|ECONNREFUSED|EPIPE|ETIMEDOUT|ENOENT)$/

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** True for what goes away when the same transaction is run once more. */
export function isConflict(error: unknown): boolean {
  const code = codeOf(error)
  return code === SERIALIZATION_FAILURE || code === DEADLOCK_DETECTED
}

export function isConnectionLost(error: unknown): boolean {
  if (CONNECTION_LOST.test(codeOf(error))) return true
  // pg has no code for these two.
  return (
    error instanceof Error && /^(Connection terminated|Client has encountered a connection error)/.test(error.message)
  )
}
