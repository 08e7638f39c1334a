#!/usr/bin/env node
/** The `hearth` command. */
import { runCommand } from './cli/run-command.ts'

// An explicit exit: nothing that a library left open keeps a stopped server alive.
process.exit(await runCommand(process.argv.slice(2), process.env))
