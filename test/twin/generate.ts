/** Writes a script from a seed: the same seed, the same script. */
import { Random } from '#test/system/harness/random.ts'
import { closing } from '#test/twin/closing.ts'
import type { Draft, Operation } from '#test/twin/operation.ts'
import { OPERATIONS } from '#test/twin/operations/table.ts'
import type { Call, Script, Value } from '#test/twin/script.ts'
import { World } from '#test/twin/world.ts'

const CALLS_MIN = 30
const CALLS_MAX = 60

export function generate(seed: number, operations: readonly Operation[] = OPERATIONS): Script {
  const world = new World(new Random(seed))
  const byId = new Map(operations.map((operation) => [operation.id, operation]))
  const weighted = operations.flatMap((operation) => Array.from({ length: operation.weight }, () => operation))
  // Without a room there is little to ask.
  const calls = ['createRoom', 'createRoom'].map((id) => write(world, byId.get(id)!)!)
  const length = world.random.between(CALLS_MIN, CALLS_MAX)
  while (calls.length < length) {
    const call = write(world, world.pick(weighted))
    if (call !== null) calls.push(call)
  }
  calls.push(...closing(world, byId).map(([operation, draft]) => complete(operation, draft, '')))
  return { seed, calls }
}

function write(world: World, operation: Operation): Call | null {
  const draft = operation.draft(world)
  const variant = world.takeOddities()
  return draft === null ? null : complete(operation, draft, variant)
}

export function complete(
  { id, method, path, unordered = [], sparse = false }: Operation,
  draft: Draft,
  variant: string,
): Call {
  const { as, params = {}, query = {}, body, raw, binds = {} } = draft
  const given = Object.entries(query).filter((entry): entry is [string, Value] => entry[1] !== undefined)
  return {
    operation: id,
    variant,
    method,
    path,
    params,
    query: Object.fromEntries(given),
    as,
    binds,
    unordered,
    sparse,
    ...(body === undefined ? {} : { body }),
    ...(raw === undefined ? {} : { raw }),
  }
}
