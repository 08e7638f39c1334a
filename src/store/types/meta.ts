/** Facts about the database itself. */
export interface MetaReader {
  /** The server that the database belongs to; null while it is new. */
  serverName(): Promise<string | null>
}

export interface MetaStore extends MetaReader {
  /** To be called once: what is in the database is signed and addressed with this name. */
  setServerName(name: string): Promise<void>
  /** Writes something of no meaning, to find out whether the database takes it. */
  probe(): Promise<void>
}
