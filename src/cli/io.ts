/** What a command takes from its process, so that tests can run it in theirs. */
export type Io = {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** A line on standard output. */
  print(line: string): void
  /** A line on standard error. */
  complain(line: string): void
  /** All of standard input. */
  readInput(): Promise<string>
}
