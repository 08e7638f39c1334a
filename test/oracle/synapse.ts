import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Readable, Readable as Stream } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { StateMap } from '#core/event/event.ts'
import type { EventId } from '#core/ids.ts'
import type { RoomProblem } from '#test/generators/room-graph.ts'

const RESOLVER = join(import.meta.dirname, 'synapse-resolver.py')

/** What Synapse resolves each problem's states to, in order. Throws where Synapse fails on one. */
export async function* resolveWithSynapse(python: string, problems: Iterable<RoomProblem>): AsyncGenerator<StateMap> {
  const child = spawn(python, [RESOLVER], { stdio: ['pipe', 'pipe', 'inherit'] })
  const written = pipeline(Stream.from(lines(problems)), child.stdin)
  // Reported where the answers end too early.
  written.catch(() => undefined)
  for await (const line of createInterface({ input: child.stdout as Readable })) yield readAnswer(line)
  await written
}

function* lines(problems: Iterable<RoomProblem>): Generator<string> {
  for (const problem of problems) {
    const line = {
      room_version: problem.rules.version,
      room_id: problem.roomId,
      events: Object.fromEntries([...problem.events].map(([eventId, event]) => [eventId, event.json])),
      rejected: [...problem.rejected],
      states: problem.states.map((state) => [...state].map(([key, eventId]) => [...key.split('\0'), eventId])),
    }
    yield `${JSON.stringify(line)}\n`
  }
}

type Answer = { readonly state?: [type: string, stateKey: string, eventId: EventId][]; readonly error?: string }

function readAnswer(line: string): StateMap {
  const answer = JSON.parse(line) as Answer
  if (answer.state === undefined) throw new Error(`Synapse: ${answer.error}`)
  return new Map(answer.state.map(([type, stateKey, eventId]) => [`${type}\0${stateKey}`, eventId]))
}
