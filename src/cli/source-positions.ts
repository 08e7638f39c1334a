import { readFileSync } from 'node:fs'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { join } from 'node:path'

/** A place in the packed program, as stacks name it. */
const PLACE = /file:\/\/[^\s():]*\/([\w.-]+\.mjs):(\d+):(\d+)/g

/** Read when a stack is first translated: Node's own support would hold 50 MB of them in every server. */
const maps = new Map<string, SourceMap>()

/**
 * The stack of an error, with places in the sources instead of those in the packed program.
 *
 * @param folder of the packed program: this file is a part of it then
 */
export function withSourcePositions(stack: string, folder = import.meta.dirname): string {
  return stack.replace(PLACE, (place, file: string, line: string, column: string) => {
    const entry = mapOf(join(folder, `${file}.map`))?.findEntry(Number(line) - 1, Number(column) - 1)
    if (entry === undefined || !('originalSource' in entry)) return place
    return `${join(folder, entry.originalSource)}:${entry.originalLine + 1}:${entry.originalColumn + 1}`
  })
}

function mapOf(file: string): SourceMap | undefined {
  const known = maps.get(file)
  if (known !== undefined) return known
  let payload: SourceMapPayload
  try {
    payload = JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
  const map = new SourceMap(payload)
  maps.set(file, map)
  return map
}
