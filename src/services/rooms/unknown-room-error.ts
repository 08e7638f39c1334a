import { MatrixError } from '#core/matrix-error.ts'

/** This server has no room of that id. */
export class UnknownRoomError extends MatrixError {
  constructor() {
    super('M_NOT_FOUND', 'This server has no such room')
  }
}
