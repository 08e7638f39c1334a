import type { ServerName } from '#core/ids.ts'

/** A key with which another server signs, or once signed. */
export type ServerKeyRow = {
  /** `ed25519:` and the key's version. */
  readonly keyId: string
  /** 32 bytes. Never changes: a key id stands for one key for ever. */
  readonly key: Uint8Array
  /** Events up to this time may be signed by it (ms): the server's word, and at most seven days after it was given. */
  readonly validUntilTs: number
  /** When the server stopped using it; null while it is in use. */
  readonly expiredTs: number | null
}

/** An answer to "what are your keys?", signed by the server itself. */
export type ServerKeyDocument = {
  /** As received, in JSON. */
  readonly json: string
  readonly validUntilTs: number
  readonly fetchedTs: number
}

export interface ServerKeyReader {
  /** All keys of several servers; servers without keys are left out. */
  keysOf(servers: readonly ServerName[]): Promise<ReadonlyMap<ServerName, readonly ServerKeyRow[]>>
  /** Its newest answer, and before that those of which one names keys that no newer one does; newest first. */
  documents(server: ServerName): Promise<readonly ServerKeyDocument[]>
}

export interface ServerKeyStore extends ServerKeyReader {
  /**
   * Keeps what a server says of its keys. A key under an id that stands for another key already is left out, and its
   * id is among those returned. Keys that aren't named stay as they are.
   *
   * @param documents newest first, in the place of those that were kept
   */
  put(
    server: ServerName,
    keys: readonly ServerKeyRow[],
    documents: readonly ServerKeyDocument[],
  ): Promise<readonly string[]>
}
