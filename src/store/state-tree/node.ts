/**
 * The nodes of a state: a trie over the hashes of the keys, two bits a level, lowest first. A subtree of up to
 * LEAF_ENTRIES_MAX entries is one leaf, a larger one is an inner node: the form depends on the content alone, not on
 * how it came about.
 */
export const FANOUT_BITS = 2
export const FANOUT = 4
export const LEAF_ENTRIES_MAX = 8

/** The place of a stored node: the row's id times NODES_IN_ROW plus the node's index there. */
export type Ref = number
export const NODES_IN_ROW = 64

/** Entries in the order of keys. */
export type Leaf = { readonly keys: readonly number[]; readonly events: readonly number[] }

/** What stands in a slot of an inner node: a stored node, a new one, or nothing. */
export type Child = Ref | TreeNode | null

/** FANOUT children, by the bits of the hash at this level. */
export type Inner = { readonly children: readonly Child[] }

export type TreeNode = Leaf | Inner

export function isLeaf(node: TreeNode): node is Leaf {
  return 'keys' in node
}

/** The slot of a hash in an inner node at this depth; the root has depth 0. */
export function slotOf(hash: number, depth: number): number {
  return (hash >>> (FANOUT_BITS * depth)) & (FANOUT - 1)
}
