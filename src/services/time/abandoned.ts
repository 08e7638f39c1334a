/** The reason of a signal that says that the client has gone, and nobody waits for the answer. */
export const CLIENT_GONE = 'gone'

/** Work was given up in the middle because nobody wants its result any more. */
export class AbandonedError extends Error {
  override readonly name = 'AbandonedError'
}

/**
 * For long work that only reads: ends it where nobody waits for the result. A signal may also ask to answer at once,
 * since the server stops: then the work goes on.
 * @throws AbandonedError
 */
export function throwIfAbandoned(signal: AbortSignal): void {
  if (signal.aborted && signal.reason === CLIENT_GONE) throw new AbandonedError('The client has gone')
}
