/**
 * Numbers the changes of what is never stored: who types, who is online. A sync token carries the number that it has
 * seen, and the epoch, which names this process among all that ever ran: numbers of another one mean nothing here.
 */
export class EphemeralSequence {
  readonly epoch: string
  #last = 0

  constructor(epoch: string) {
    this.epoch = epoch
  }

  /** The number of the last change; 0 before the first. */
  get last(): number {
    return this.#last
  }

  /** How far a token reaches that is made now. */
  get mark(): { readonly epoch: string; readonly sequence: number } {
    return { epoch: this.epoch, sequence: this.#last }
  }

  next(): number {
    this.#last += 1
    return this.#last
  }

  /** What a token has seen, in numbers of this process: nothing where another one counted. */
  seenBy(token: { readonly epoch: string; readonly sequence: number } | null): number {
    return token?.epoch === this.epoch ? token.sequence : 0
  }
}
