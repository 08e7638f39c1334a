/** A seeded source of random choices: the same seed makes the same choices for ever, so that a failing case can be named. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** 32 random bits (the generator "splitmix32"). */
  bits(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    return (mixed ^ (mixed >>> 16)) >>> 0
  }

  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + (this.bits() % (high - low + 1))
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.bits() < probability * 2 ** 32
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.bits() % items.length]
    if (item === undefined) throw new RangeError('nothing to pick from')
    return item
  }

  /** One of the names, as likely as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries(weights) as [Name, number][]
    let left = this.bits() % entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of entries) {
      if (left < weight) return name
      left -= weight
    }
    throw new RangeError('no weights')
  }

  shuffled<Item>(items: Iterable<Item>): Item[] {
    const result = [...items]
    for (let last = result.length - 1; last > 0; last--) {
      const other = this.between(0, last)
      const swapped = result[last] as Item
      result[last] = result[other] as Item
      result[other] = swapped
    }
    return result
  }
}
