import { Type } from 'typebox'
import { tJsonObject } from '#kit/schemas.ts'

const DEVICE_NAME_LENGTH_MAX = 100

/** What a device may be called; without U+0000 and lone surrogates. */
export const tDeviceName = Type.Refine(
  Type.String({ maxLength: DEVICE_NAME_LENGTH_MAX }),
  (text) => typeof text === 'string' && text.isWellFormed() && !text.includes('\0'),
  () => `must be a text of at most ${DEVICE_NAME_LENGTH_MAX} characters`,
)

/** `auth` of a request that is subject to user-interactive authentication; what is in it is for the stages to judge. */
export const tAuth = Type.Optional(tJsonObject)
