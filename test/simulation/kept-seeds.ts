/** Seeds that once broke a promise, and what was wrong then. */
export const KEPT_SEEDS: readonly { readonly seed: number; readonly about: string }[] = []
