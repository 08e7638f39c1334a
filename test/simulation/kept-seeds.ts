/** Seeds that once broke a promise, and what was wrong then. */
export const KEPT_SEEDS: readonly { readonly seed: number; readonly about: string }[] = [
  { seed: 7, about: 'states were resolved by what an event cited before its auth events had come' },
  { seed: 44, about: 'history was judged by verdicts on its auth events that had been made before these were whole' },
  { seed: 54, about: 'history was placed before the events that authorise it' },
  {
    seed: 189,
    about: 'a completed state was judged on by events whose cited ones, which had come later, had not been',
  },
]
