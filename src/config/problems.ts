/** What is wrong with the settings, all of it at once, each naming its key. */
export type Problem = { readonly key: string; readonly message: string; readonly line: number | null }

export class ConfigError extends Error {
  readonly problems: readonly Problem[]

  constructor(source: string, problems: readonly Problem[]) {
    const lines = problems.map(({ key, message, line }) => {
      const place = line === null ? source : `${source}:${line}`
      return key === '' ? `${place}: ${message}` : `${place}: ${key}: ${message}`
    })
    super(lines.join('\n'))
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** The known name that a mistyped one was probably meant to be; null where none is near. */
export function nearest(name: string, known: readonly string[]): string | null {
  const ranked = known.map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
  const best = ranked.sort((a, b) => a.distance - b.distance)[0]
  return best !== undefined && best.distance <= Math.max(2, name.length / 3) ? best.candidate : null
}

/** Letters to insert, delete or replace to make one text of the other. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1))
    }
    previous = current
  }
  return previous[b.length]!
}
