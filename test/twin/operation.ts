/** How a row of the table of operations is written. */
import type { BodyMaker, Value } from '#test/twin/script.ts'
import type { World } from '#test/twin/world.ts'

/** What one request of a script is, besides the operation's own method and path. */
export type Draft = {
  readonly as: string | null
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, Value | undefined>>
  readonly body?: object | BodyMaker
  readonly raw?: string
  readonly binds?: Readonly<Record<string, readonly string[]>>
}

export type Operation = {
  /** The specification's operationId. */
  readonly id: string
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  readonly path: string
  /** How often it comes in scripts, compared with the others. */
  readonly weight: number
  /** Arrays of the answer whose order nobody promises. */
  readonly unordered?: readonly string[]
  /** What holds nothing may be left out of the answer. */
  readonly sparse?: boolean
  /** Writes one request and notes in the world what it brings about; null where there is nothing to ask about. */
  draft(world: World): Draft | null
}

export const V1 = '/_matrix/client/v1'
export const V3 = '/_matrix/client/v3'
