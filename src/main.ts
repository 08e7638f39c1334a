#!/usr/bin/env node
/** The `hearth` command. */
import { text } from 'node:stream/consumers'
import { runCommand } from './cli/run-command.ts'

const code = await runCommand(process.argv.slice(2), {
  environment: process.env,
  print: (line) => console.log(line),
  complain: (line) => console.error(line),
  readInput: () => text(process.stdin),
})
// An explicit exit: nothing that a library left open keeps a stopped server alive.
process.exit(code)
