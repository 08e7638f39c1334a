import { Scene } from '#test/e2ee/harness/scene.ts'
import type { Servers } from '#test/e2ee/harness/servers.ts'
import { ACTIONS, allUp, type Play, resume } from '#test/e2ee/random/actions.ts'
import { Model } from '#test/e2ee/random/model.ts'
import { Random } from '#test/system/harness/random.ts'

const ACTIONS_MIN = 8
const ACTIONS_MAX = 16
/** The SDK asks about users of a server that couldn't be reached after 15 seconds, then 30, … */
const ACQUAINTED_MS_MAX = 90_000

export type Outcome = {
  /** How often each action was taken. */
  readonly taken: Readonly<Record<string, number>>
  /** What was done, and how long each took. */
  readonly script: readonly string[]
  readonly checked: number
  readonly excused: number
}

const NAMES = Object.keys(ACTIONS)
/** Not a multiple of the number of topologies, so that each action is planned on several. */
const SECOND_PLANNED = 7

/** Plays a script of actions, and then makes sure that everybody has read all that they were to. */
export async function playScript(servers: Servers, seed: number): Promise<Outcome> {
  await using scene = new Scene(servers)
  const play = await beginPlay(scene, new Random(seed))
  const { model, random } = play
  const taken = Object.fromEntries(NAMES.map((name) => [name, 0]))
  // Two actions by the number of the seed, so that among a few dozen seeds none is missing.
  const planned = [0, SECOND_PLANNED].map((offset) => NAMES[(seed + offset) % NAMES.length]!)
  const script: string[] = []
  const timed = async (step: () => Promise<void>) => {
    const began = performance.now()
    await step()
    script.push(`${script.pop()} (${Math.round(performance.now() - began)} ms)`)
  }
  try {
    const length = random.between(ACTIONS_MIN, ACTIONS_MAX)
    while (script.length < length) {
      const due = planned.filter((name) => taken[name] === 0)
      const name = due.length > 0 && random.next() < 0.5 ? random.pick(due) : draw(random)
      const action = ACTIONS[name]!.begin(play)
      if (action === null) continue
      script.push(name)
      taken[name]! += 1
      await timed(action)
    }
    script.push('the end')
    await timed(() => end(play))
  } catch (error) {
    throw new Error(`script ${seed} on ${servers.topology}, after ${script.join(', ')}: ${(error as Error).message}`, {
      cause: error,
    })
  } finally {
    // The servers are for the next script too.
    await allUp(scene, model)
  }
  return { taken, script, checked: model.checked, excused: model.excused }
}

/** Two or three users, one device each, of whom two are in a room. */
async function beginPlay(scene: Scene, random: Random): Promise<Play> {
  const model = new Model()
  const users = await Promise.all(
    ['alice', 'bob', 'carol'].map((name, i) => scene.user(name, i === 1 ? scene.away : random.pick(scene.servers.all))),
  )
  const isNio = users.map(() => random.next() < 0.4)
  const devices = await Promise.all(users.map((user, i) => (isNio[i] ? scene.nio(user) : scene.sdk(user))))
  for (const [i, device] of devices.entries()) model.players.push({ device, user: users[i]!, isPaused: false })
  const [alice, bob, carol] = devices
  const present = random.next() < 0.5 ? [bob!] : [bob!, carol!]
  const roomId = await scene.room(alice!, ...present)
  for (const user of users.slice(0, present.length + 1)) model.joined.add(user)
  return { scene, model, random, roomId, users, crossSigned: new Map() }
}

/** All come back, learn of each other, and say and read one thing more. */
async function end({ scene, model, roomId }: Play): Promise<void> {
  await allUp(scene, model)
  for (const player of model.players) if (player.isPaused) resume(player)
  const present = model.active()
  await scene.acquainted(
    roomId,
    present.map(({ device }) => device),
    ACQUAINTED_MS_MAX,
  )
  for (const player of present) await model.say(player, roomId)
  await model.settle(model.players)
}

function draw(random: Random): string {
  const weights = Object.entries(ACTIONS).map(([name, { weight }]) => [name, weight] as const)
  let at = random.next() * weights.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [name, weight] of weights) {
    at -= weight
    if (at < 0) return name
  }
  return 'say'
}
