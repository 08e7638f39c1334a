#!/usr/bin/env node
/** The `hearth` command. */
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { packedProgram } from './cli/packed-program.ts'

// Code is compiled once: later starts find it. Beside the libraries, because
// nobody else may write there. Threads learn of it from the environment.
const compiled = join(import.meta.dirname, '..', 'node_modules', '.cache', 'hearth')
enableCompileCache(compiled)
process.env['NODE_COMPILE_CACHE'] = compiled
const packed = packedProgram()
const { runCommand }: typeof import('./cli/run-command.ts') = await import(
  packed === null ? './cli/run-command.ts' : pathToFileURL(packed).href
)

const code = await runCommand(process.argv.slice(2), {
  environment: process.env,
  print: (line) => console.log(line),
  complain: (line) => console.error(line),
  readInput: () => text(process.stdin),
})
// An explicit exit: nothing that a library left open keeps a stopped server alive.
process.exit(code)
