/** What outside of the program keeps the database from its work. */
export type UnavailableReason =
  | 'unreachable'
  | 'disk full'
  | 'disk error'
  | 'read-only'
  | 'damaged'
  | 'busy'
  /** The server is about to end. */
  | 'closed'

const SENTENCES: Readonly<Record<UnavailableReason, string>> = {
  unreachable: "The database can't be reached",
  'disk full': 'The disk of the database is full',
  'disk error': "The disk of the database can't be read or written",
  'read-only': "The database can't be written",
  damaged: 'The database is damaged',
  busy: 'Another process holds the database',
  closed: 'The server is stopping',
}

/**
 * Something outside of the program keeps the database from its work, for now. That is no defect: whoever asked may ask
 * again. The sentence may be shown to anybody, the cause is for the operator.
 */
export class UnavailableError extends Error {
  override name = 'UnavailableError'
  readonly reason: UnavailableReason

  constructor(reason: UnavailableReason, options: { cause?: unknown } = {}) {
    super(SENTENCES[reason], options)
    this.reason = reason
  }
}
