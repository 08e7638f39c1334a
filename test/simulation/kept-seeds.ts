/** Seeds that once broke a promise, and what was wrong then. */
export const KEPT_SEEDS: readonly { readonly seed: number; readonly about: string }[] = [
  { seed: 7, about: 'states were resolved by what an event cited before its auth events had come' },
]
