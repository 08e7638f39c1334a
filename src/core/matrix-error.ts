/**
 * An expected failure, in the specification's terms ("Standard error response"). Services and endpoints throw it; the
 * edge alone turns it into an HTTP answer. Nothing below the edge speaks of status codes: they follow from `errcode`
 * by the table in `#kit/error-response.ts`, unless the specification asks for another in one place (`status`).
 */
export class MatrixError extends Error {
  readonly errcode: string
  readonly status: number | undefined
  /** Further members of the JSON answer, such as `room_version` or `retry_after_ms`. */
  readonly extra: Readonly<Record<string, unknown>>

  constructor(errcode: string, message: string, options: { status?: number; extra?: Record<string, unknown> } = {}) {
    super(message)
    this.name = 'MatrixError'
    this.errcode = errcode
    this.status = options.status
    this.extra = options.extra ?? {}
  }
}

export const forbidden = (message: string) => new MatrixError('M_FORBIDDEN', message)
export const notFound = (message: string) => new MatrixError('M_NOT_FOUND', message)
export const badJson = (message: string) => new MatrixError('M_BAD_JSON', message)
export const invalidParam = (message: string) => new MatrixError('M_INVALID_PARAM', message)
export const missingParam = (message: string) => new MatrixError('M_MISSING_PARAM', message)
export const tooLarge = (message: string) => new MatrixError('M_TOO_LARGE', message)
export const unrecognized = (message: string) => new MatrixError('M_UNRECOGNIZED', message)
export const unknownToken = (message: string) => new MatrixError('M_UNKNOWN_TOKEN', message)
