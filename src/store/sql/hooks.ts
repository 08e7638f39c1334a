/** A place in the lists of hooks, to return to when a part of a transaction is taken back. */
export type HookMark = { readonly commit: number; readonly rollback: number }

/** What is to be done when the transaction under way ends, the one way or the other. */
export class Hooks {
  #commit: (() => void)[] = []
  #rollback: (() => void)[] = []

  afterCommit(fn: () => void): void {
    this.#commit.push(fn)
  }

  afterRollback(fn: () => void): void {
    this.#rollback.push(fn)
  }

  mark(): HookMark {
    return { commit: this.#commit.length, rollback: this.#rollback.length }
  }

  /** Runs, latest first, what was registered for a rollback since the mark, and forgets everything since. */
  rolledBack(to: HookMark = { commit: 0, rollback: 0 }): void {
    const undone = this.#rollback.splice(to.rollback)
    this.#commit.length = to.commit
    for (const fn of undone.reverse()) fn()
  }

  committed(): void {
    const done = this.#commit
    this.#commit = []
    this.#rollback = []
    for (const fn of done) fn()
  }
}
