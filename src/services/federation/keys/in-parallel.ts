/** Runs `fn` for each item, at most `atOnce` of them at the same time. */
export async function inParallel<T>(
  items: Iterable<T>,
  atOnce: number,
  fn: (item: T) => Promise<unknown>,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  const work = async () => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) await fn(next.value)
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}
