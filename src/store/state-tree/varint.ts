/** Whole numbers from 0 to 2^53 - 1 in as few bytes as they need: seven bits a byte, lowest first. */

/** Where the next number is read, in bytes that hold several. */
export type Cursor = { readonly bytes: Uint8Array; at: number }

export function readVarint(cursor: Cursor): number {
  const { bytes } = cursor
  let byte = bytes[cursor.at++]!
  if (byte < 0x80) return byte
  let value = byte & 0x7f
  let scale = 0x80
  do {
    byte = bytes[cursor.at++]!
    // Not by shifting, which would cut the number to 32 bits.
    value += (byte & 0x7f) * scale
    scale *= 0x80
  } while (byte >= 0x80)
  return value
}

/** Appends a number, and returns how many bytes that took. */
export function writeVarint(bytes: number[], value: number): number {
  const before = bytes.length
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return bytes.length - before
}
