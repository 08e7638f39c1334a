/** The `hearth` command as src/main.ts runs it where nothing is packed. */
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

const compiled = join(import.meta.dirname, '..', 'node_modules', '.cache', 'hearth')
enableCompileCache(compiled)
process.env['NODE_COMPILE_CACHE'] = compiled
const { runCommand } = await import('../src/cli/run-command.ts')

process.exit(
  await runCommand(process.argv.slice(2), {
    environment: process.env,
    print: console.log,
    complain: console.error,
    readInput: async () => '',
  }),
)
