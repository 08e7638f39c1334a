/** What may happen in a script. What is possible is judged by the model alone, so that a seed decides it. */

import { deleteDevice } from '#test/e2ee/harness/devices.ts'
import { knowsDevice, knowsMember, reads } from '#test/e2ee/harness/encrypted-device.ts'
import type { Scene, User } from '#test/e2ee/harness/scene.ts'
import { SdkDevice } from '#test/e2ee/harness/sdk-device.ts'
import { reachEachOther } from '#test/e2ee/harness/servers.ts'
import { backedUp, restoreBackup, setUpCrossSigning, trusts, verifyBySas } from '#test/e2ee/harness/verification.ts'
import type { Model, Player } from '#test/e2ee/random/model.ts'
import { V3 } from '#test/system/harness/api.ts'
import type { Random } from '#test/system/harness/random.ts'

export type Play = {
  readonly scene: Scene
  readonly model: Model
  readonly random: Random
  readonly roomId: string
  readonly users: readonly User[]
  /** Users who have cross-signing keys and a key backup, with the device that made them. */
  readonly crossSigned: Map<User, Player>
}

export type Action = {
  readonly weight: number
  /** Does it and tells of it; null where it isn't possible now. */
  readonly begin: (play: Play) => null | (() => Promise<void>)
}

const DEVICES_MAX = 6
const DEVICES_OF_USER_MAX = 3

export const ACTIONS: Readonly<Record<string, Action>> = {
  say: {
    weight: 8,
    begin: ({ model, random, roomId }) => {
      const able = model.active()
      if (able.length === 0) return null
      const sender = random.pick(able)
      return () => model.say(sender, roomId)
    },
  },

  sayTogether: {
    weight: 3,
    begin: ({ model, roomId }) => {
      const senders = model.active()
      return senders.length < 2 ? null : () => all(senders.map((sender) => model.say(sender, roomId)))
    },
  },

  newDevice: {
    weight: 3,
    begin: ({ scene, model, random, users }) => {
      const owners = users.filter((user) => !model.down.has(user.server.serverName) && hasRoomForDevice(model, user))
      if (owners.length === 0) return null
      const user = random.pick(owners)
      const isNio = random.next() < 0.4
      return async () => {
        const device = isNio ? await scene.nio(user) : await scene.sdk(user)
        model.players.push({ device, user, isPaused: false })
      }
    },
  },

  deleteDevice: {
    weight: 2,
    begin: ({ model, random }) => {
      const pair = ownPair(model, random)
      if (pair === null) return null
      const [own, other] = pair
      return async () => {
        model.forget(other)
        await deleteDevice(own.device, other.device.deviceId)
        await other.device[Symbol.asyncDispose]()
      }
    },
  },

  logout: {
    weight: 2,
    begin: ({ model, random }) => {
      const pair = ownPair(model, random)
      if (pair === null) return null
      const [leaving] = pair
      return async () => {
        model.forget(leaving)
        await leaving.device.api.post(`${V3}/logout`)
        await leaving.device[Symbol.asyncDispose]()
      }
    },
  },

  join: {
    weight: 4,
    begin: ({ scene, model, random, roomId, users }) => {
      const absent = users.filter(
        (user) => !model.joined.has(user) && model.devicesOf(user).some(({ isPaused }) => !isPaused),
      )
      const by = model.active().find((player) => player.user === users[0])
      if (absent.length === 0 || by === undefined || model.down.size > 0) return null
      const user = random.pick(absent)
      return async () => {
        const joining = model.devicesOf(user).find(({ isPaused }) => !isPaused)!
        await by.device.api.invite(roomId, user.userId)
        await scene.join(joining.device, roomId)
        model.joined.add(user)
        await all(model.active().map(({ device }) => knowsMember(device, roomId, user.userId)))
      }
    },
  },

  leave: {
    weight: 2,
    begin: ({ model, random, roomId }) => {
      // The first user made the room and stays: others may lack the power to invite.
      const leavers = [...model.joined]
        .slice(1)
        .filter((user) => model.devicesOf(user).every(({ isPaused }) => !isPaused))
      if (model.joined.size < 3 || leavers.length === 0 || model.down.size > 0) return null
      const user = random.pick(leavers)
      return async () => {
        // Out of the room, they would have to look back for it.
        await model.settle(model.devicesOf(user))
        await model.devicesOf(user)[0]!.device.api.leave(roomId)
        model.joined.delete(user)
        await all(
          model.active().map(({ device }) =>
            device.news.until(`${device.deviceId} to see ${user.userId} leave`, () => {
              return device.membersOf(roomId)?.has(user.userId) === false
            }),
          ),
        )
      }
    },
  },

  pause: {
    weight: 3,
    begin: ({ model, random }) => {
      const active = model.active()
      if (active.length < 2) return null
      const player = random.pick(active)
      return async () => {
        player.isPaused = true
        player.device.pause()
      }
    },
  },

  resume: {
    weight: 4,
    begin: ({ model, random }) => {
      const paused = model.players.filter(({ isPaused }) => isPaused)
      if (paused.length === 0) return null
      const player = random.pick(paused)
      return async () => resume(player)
    },
  },

  newSession: {
    weight: 2,
    begin: ({ model, random, roomId }) => {
      const able = sdkPlayers(model)
      if (able.length === 0) return null
      const { device } = random.pick(able)
      return () => device.crypto.forceDiscardSession(roomId)
    },
  },

  verify: {
    weight: 1,
    begin: (play) => {
      const { scene, model, random, crossSigned } = play
      const able = sdkPlayers(model).filter(({ user }) => !crossSigned.has(user) && hasRoomForDevice(model, user))
      if (able.length === 0) return null
      const first = random.pick(able)
      return async () => {
        await setUp(play, first)
        const second = await scene.sdk(first.user)
        model.players.push({ device: second, user: first.user, isPaused: false })
        await second.news.until('the keys of the own user', () => second.crypto.userHasCrossSigningKeys())
        await all([knowsDevice(first.device, second), knowsDevice(second, first.device)])
        await verifyBySas(second, first.device, (crypto) => crypto.requestOwnUserVerification())
        await all([first.device, second].map((device) => trusts(device, first.user.userId, [second.deviceId])))
      }
    },
  },

  restore: {
    weight: 1,
    begin: (play) => {
      const { scene, model, random, crossSigned } = play
      const able = sdkPlayers(model).filter((player) => {
        const owner = crossSigned.get(player.user)
        return (owner === undefined || owner === player) && hasRoomForDevice(model, player.user)
      })
      // What was said on a server just before it went down comes when it is up again.
      if (able.length === 0 || model.down.size > 0) return null
      const first = random.pick(able)
      return async () => {
        await setUp(play, first)
        await model.settle([first])
        await backedUp(first.device)
        const fresh = await scene.sdk(first.user, first.device.recoveryKey)
        model.players.push({ device: fresh, user: first.user, isPaused: false })
        await restoreBackup(fresh)
        for (const eventId of model.readBy(first)) await reads(fresh, eventId)
      }
    },
  },

  serverDown: {
    weight: 2,
    begin: ({ scene, model }) => {
      const server = scene.away
      if (model.down.size > 0 || server === scene.home) return null
      return async () => {
        model.down.add(server.serverName)
        await server.stop()
      }
    },
  },

  serverUp: {
    weight: 4,
    begin: ({ scene, model }) => (model.down.size === 0 ? null : () => allUp(scene, model)),
  },

  restart: {
    weight: 1,
    begin: ({ scene, model }) => {
      if (model.down.size > 0) return null
      return async () => {
        await scene.home.stop()
        await scene.home.boot()
        await reachEachOther(scene.servers)
      }
    },
  },
}

type SdkPlayer = Player & { readonly device: SdkDevice }

/** Those in the room on the SDK who can act. */
function sdkPlayers(model: Model): SdkPlayer[] {
  return model.active().filter((player): player is SdkPlayer => player.device instanceof SdkDevice)
}

function hasRoomForDevice(model: Model, user: User): boolean {
  return model.players.length < DEVICES_MAX && model.devicesOf(user).length < DEVICES_OF_USER_MAX
}

async function setUp({ crossSigned }: Play, player: SdkPlayer): Promise<void> {
  if (crossSigned.has(player.user)) return
  crossSigned.set(player.user, player)
  await setUpCrossSigning(player.device)
}

/** One who can act, and another device of the same user. */
function ownPair(model: Model, random: Random): [Player, Player] | null {
  const able = model.players.filter(
    (player) => !player.isPaused && model.isUp(player) && model.devicesOf(player.user).length > 1,
  )
  if (able.length === 0) return null
  const own = random.pick(able)
  return [own, random.pick(model.devicesOf(own.user).filter((player) => player !== own))]
}

export function resume(player: Player): void {
  player.isPaused = false
  player.device.resume()
}

export async function allUp(scene: Scene, model: Model): Promise<void> {
  if (model.down.size === 0) return
  await scene.away.boot()
  await reachEachOther(scene.servers)
  model.down.clear()
}

function all(promises: readonly Promise<unknown>[]): Promise<void> {
  return Promise.all(promises).then(() => undefined)
}
