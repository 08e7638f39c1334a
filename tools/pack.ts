/** Packs the program; set-up calls it. See src/cli/packed-program.ts. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { type Plugin, rolldown } from 'rolldown'
import { DIGEST_FILE, ENTRIES, PACKED_FOLDER, packedProgram, sourcesDigest } from '../src/cli/packed-program.ts'
import { EDGE_FOLDER, endpointFiles } from '../src/edge/kit/endpoint-files.ts'

const ROOT = dirname(import.meta.dirname)
const ENDPOINT_MODULES = join(ROOT, 'src', 'edge', 'kit', 'endpoint-modules.ts')

/** In place of the module that imports endpoints as it finds them: one that imports all that there are. */
const listedEndpoints: Plugin = {
  name: 'listed endpoints',
  load: {
    filter: { id: ENDPOINT_MODULES },
    handler() {
      const files = endpointFiles(EDGE_FOLDER)
      const from = relative(dirname(ENDPOINT_MODULES), EDGE_FOLDER)
      const imports = files.map((file, index) => `import * as module${index} from '${from}/${file}'`)
      const entries = files.map((file, index) => `['${file}', module${index}]`)
      return `${imports.join('\n')}\nexport async function endpointModules() { return [${entries.join(', ')}] }\n`
    },
  },
}

async function pack(): Promise<void> {
  const digest = sourcesDigest()
  rmSync(PACKED_FOLDER, { recursive: true, force: true })
  mkdirSync(PACKED_FOLDER, { recursive: true })
  await using bundle = await rolldown({
    input: Object.fromEntries(Object.entries(ENTRIES).map(([name, file]) => [name, join(ROOT, file)])),
    platform: 'node',
    // pg looks for it and does without.
    external: ['pg-native'],
    plugins: [listedEndpoints],
    logLevel: 'warn',
  })
  await bundle.write({
    dir: PACKED_FOLDER,
    entryFileNames: '[name].mjs',
    chunkFileNames: '[name]-[hash].mjs',
    minify: false,
    sourcemap: true,
  })
  writeFileSync(DIGEST_FILE, digest)
}

if (packedProgram() === null) await pack()
