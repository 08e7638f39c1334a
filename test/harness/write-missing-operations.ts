/** `node test/harness/write-missing-operations.ts`: takes what is served by now out of the list of missing operations. */
import { writeFileSync } from 'node:fs'
import {
  MISSING_FILE,
  missingOperations,
  readEndpoints,
  readMissingFile,
  readOperations,
} from '#test/harness/operations.ts'

const operations = readOperations()
if (operations === null) throw new Error('The data of the specification is not at hand')
const missing = missingOperations(operations, await readEndpoints())
const before = new Set(readMissingFile())
const lost = missing.filter((line) => !before.has(line))
// The list may only shrink: what was served once stays served.
if (lost.length > 0) throw new Error(`No longer served:\n${lost.join('\n')}`)
writeFileSync(MISSING_FILE, missing.map((line) => `${line}\n`).join(''))
console.log(`${operations.length - missing.length} of ${operations.length} operations are served`)
