/** A binary heap: `pop` returns the item that comes before all others. */
export class Heap<Item> {
  readonly #items: Item[] = []
  readonly #comesBefore: (x: Item, y: Item) => boolean

  constructor(comesBefore: (x: Item, y: Item) => boolean) {
    this.#comesBefore = comesBefore
  }

  push(item: Item): void {
    const items = this.#items
    let hole = items.length
    items.push(item)
    while (hole > 0) {
      const above = (hole - 1) >> 1
      const parent = items[above] as Item
      if (!this.#comesBefore(item, parent)) break
      items[hole] = parent
      hole = above
    }
    items[hole] = item
  }

  pop(): Item | undefined {
    const items = this.#items
    const first = items[0]
    const last = items.pop()
    if (last === undefined || items.length === 0) return first
    let hole = 0
    for (;;) {
      let below = hole * 2 + 1
      if (below >= items.length) break
      if (below + 1 < items.length && this.#comesBefore(items[below + 1] as Item, items[below] as Item)) below += 1
      if (!this.#comesBefore(items[below] as Item, last)) break
      items[hole] = items[below] as Item
      hole = below
    }
    items[hole] = last
    return first
  }
}
