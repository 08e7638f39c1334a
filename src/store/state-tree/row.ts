/**
 * Rows of the state tree. All new nodes of one change stand in one row, children before parents and the root last, so
 * the row is the state. A row of more nodes than fit is continued in the next.
 *
 *     varint   2 × number of nodes, + 1 when the last node is the root of a state
 *     8 bytes  the fingerprint, when it is
 *     varints  the lengths of all nodes but the last
 *     nodes    leaf:  varint 2 × entries + 1, the least event, then for each entry its key minus the one before and
 *                     its event minus the least
 *              inner: varint 2 × bitmap of slots taken, then for each the distance back from the end of this row's
 *                     references, so that near ones are short
 */
import { type Slices, Steps } from '#core/state/steps.ts'
import type { Fingerprint } from '#store/state-tree/hash.ts'
import {
  type Child,
  FANOUT,
  type Inner,
  isLeaf,
  type Leaf,
  NODES_IN_ROW,
  type Ref,
  type TreeNode,
} from '#store/state-tree/node.ts'
import { type Cursor, readVarint, writeVarint } from '#store/state-tree/varint.ts'

/** Rows stay on one page of SQLite. */
const ROW_BYTES_MAX = 3900
/** A leaf of eight entries with the longest numbers, and its length. */
const NODE_BYTES_MAX = 116
/** So that the first number takes one byte. */
const ROW_NODES_MAX = 63
const FINGERPRINT_BYTES = 8

export type StateRow = { readonly id: number; readonly data: Uint8Array }

/** How many rows the new nodes under this one take at most. */
export function rowsAtMost(root: TreeNode): number {
  return Math.ceil(countNew(root) / Math.floor(ROW_BYTES_MAX / NODE_BYTES_MAX))
}

function countNew(node: TreeNode): number {
  if (isLeaf(node)) return 1
  let count = 1
  for (const child of node.children) if (typeof child === 'object' && child !== null) count += countNew(child)
  return count
}

/** Bytes of a node that count as a step. */
const BYTES_IN_STEP = 16

/** Packs all new nodes under a root into rows with ids from `firstId` on. The last row is the state. */
export function* packRows(root: TreeNode, fingerprint: Fingerprint, firstId: number): Slices<StateRow[]> {
  const steps = new Steps()
  const rows: StateRow[] = []
  let id = firstId
  let nodes: number[][] = []
  let size = 0

  const endRow = (isState: boolean) => {
    rows.push({ id, data: encodeRow(nodes, isState ? fingerprint : null) })
    id++
    nodes = []
    size = 0
  }
  function* pack(node: TreeNode): Slices<Ref> {
    const refs = isLeaf(node) ? null : yield* packChildren(node)
    if (nodes.length === ROW_NODES_MAX || size + NODE_BYTES_MAX > ROW_BYTES_MAX) endRow(false)
    const bytes = refs === null ? encodeLeaf(node as Leaf) : encodeInner(refs, id)
    size += bytes.length + 1
    nodes.push(bytes)
    const ref = id * NODES_IN_ROW + nodes.length - 1
    if (steps.take(bytes.length / BYTES_IN_STEP)) yield
    return ref
  }
  function* packChildren({ children }: Inner): Slices<(Ref | null)[]> {
    const refs: (Ref | null)[] = []
    for (const child of children) refs.push(typeof child === 'object' && child !== null ? yield* pack(child) : child)
    return refs
  }
  yield* pack(root)
  endRow(true)
  return rows
}

function encodeRow(nodes: readonly number[][], fingerprint: Fingerprint | null): Uint8Array {
  const head: number[] = []
  writeVarint(head, nodes.length * 2 + (fingerprint === null ? 0 : 1))
  if (fingerprint !== null) head.push(...uint32(fingerprint.high), ...uint32(fingerprint.low))
  for (const node of nodes.slice(0, -1)) writeVarint(head, node.length)
  return Uint8Array.from([head, ...nodes].flat())
}

function encodeLeaf({ keys, events }: Leaf): number[] {
  const bytes: number[] = []
  const least = Math.min(...events)
  writeVarint(bytes, keys.length * 2 + 1)
  writeVarint(bytes, least)
  let before = 0
  for (const [i, key] of keys.entries()) {
    writeVarint(bytes, key - before)
    writeVarint(bytes, events[i]! - least)
    before = key
  }
  return bytes
}

function encodeInner(refs: readonly (Ref | null)[], rowId: number): number[] {
  const bytes: number[] = []
  let bitmap = 0
  for (const [slot, ref] of refs.entries()) if (ref !== null) bitmap |= 1 << slot
  writeVarint(bytes, bitmap * 2)
  for (const ref of refs) if (ref !== null) writeVarint(bytes, (rowId + 1) * NODES_IN_ROW - ref)
  return bytes
}

/** The reference of the root, which is the last node of a state's row. */
export function rootOf(row: StateRow): Ref {
  return row.id * NODES_IN_ROW + (row.data[0]! >> 1) - 1
}

export function fingerprintOf(row: StateRow): Fingerprint {
  const view = new DataView(row.data.buffer, row.data.byteOffset + 1, FINGERPRINT_BYTES)
  return { high: view.getUint32(0), low: view.getUint32(4) }
}

/** One node of a row. */
export function readNode(row: StateRow, index: number): TreeNode {
  const cursor: Cursor = { bytes: row.data, at: 0 }
  seek(cursor, index)
  const tag = readVarint(cursor)
  return tag & 1 ? readLeaf(cursor, tag >> 1) : readInner(cursor, tag >> 1, row.id)
}

function seek(cursor: Cursor, index: number): void {
  const head = readVarint(cursor)
  if (head & 1) cursor.at += FINGERPRINT_BYTES
  let skipped = 0
  for (let i = 0; i < (head >> 1) - 1; i++) {
    const length = readVarint(cursor)
    if (i < index) skipped += length
  }
  cursor.at += skipped
}

function readLeaf(cursor: Cursor, count: number): TreeNode {
  const least = readVarint(cursor)
  const keys: number[] = []
  const events: number[] = []
  let key = 0
  for (let i = 0; i < count; i++) {
    key += readVarint(cursor)
    keys.push(key)
    events.push(least + readVarint(cursor))
  }
  return { keys, events }
}

function readInner(cursor: Cursor, bitmap: number, rowId: number): TreeNode {
  const children: Child[] = []
  for (let slot = 0; slot < FANOUT; slot++) {
    children.push(bitmap & (1 << slot) ? (rowId + 1) * NODES_IN_ROW - readVarint(cursor) : null)
  }
  return { children }
}

function uint32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff]
}
