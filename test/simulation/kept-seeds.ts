/** Seeds that once broke a promise, and what was wrong then. */
export const KEPT_SEEDS: readonly { readonly seed: number; readonly about: string }[] = [
  {
    seed: 43,
    about: 'an event whose auth events nobody gave held up all that its server sent to the room after it',
  },
  {
    seed: 48,
    about: 'the state before an event, as others told it, was resolved once more with a part of what it came from',
  },
  {
    seed: 53,
    about: 'a completed state was judged on by a told state that had been resolved with one that lacked members',
  },
  { seed: 140, about: 'the auth difference lacked what an event cited that had come before its own auth events' },
  { seed: 309, about: 'an invite that had come alone was built on before what authorises it had come' },
  { seed: 520, about: 'an invite that had come alone was left out of a told state' },
]
