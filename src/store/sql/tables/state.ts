export interface StateTables {
  /** Nodes of the state tree, packed (src/store/state-tree/). The id of a state is the id of the row with its root. */
  state_rows: { id: number; room: number; data: Uint8Array }
}
