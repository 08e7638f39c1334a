/** What happens in encrypted rooms, each as a function of where it happens. */
import { deleteDevice } from '#test/e2ee/harness/devices.ts'
import { knowsDevices, knowsMember, reads } from '#test/e2ee/harness/encrypted-device.ts'
import type { Scene } from '#test/e2ee/harness/scene.ts'
import { reachEachOther } from '#test/e2ee/harness/servers.ts'
import { backedUp, restoreBackup, setUpCrossSigning, trusts, verifyBySas } from '#test/e2ee/harness/verification.ts'

export const SCENARIOS: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'the first message of each is read by all': async (scene) => {
    const { alice, bob, carol, roomId } = await three(scene)
    await scene.talk(roomId, [alice, bob, carol])
  },

  'a new device of a user reads what is said from then on': async (scene) => {
    const { alice, bob, carol, roomId, users } = await three(scene)
    await scene.talk(roomId, [alice, bob, carol])
    const bob2 = await scene.sdk(users.bob)
    const carol2 = await scene.nio(users.carol)
    const all = [alice, bob, carol, bob2, carol2]
    await scene.acquainted(roomId, all)
    await scene.talk(roomId, all)
  },

  'one device verifies another, and others trust what it signed': async (scene) => {
    const { alice, bob, roomId, users } = await three(scene)
    await setUpCrossSigning(alice)
    await setUpCrossSigning(bob)
    const alice2 = await scene.sdk(users.alice)
    await scene.acquainted(roomId, [alice, alice2, bob])
    await verifyBySas(alice2, alice, (crypto) => crypto.requestOwnUserVerification())
    for (const viewer of [alice, alice2]) await trusts(viewer, alice.userId, [alice.deviceId, alice2.deviceId])
    await verifyBySas(bob, alice, (crypto) => crypto.requestVerificationDM(alice.userId, roomId))
    await trusts(bob, alice.userId, [alice.deviceId, alice2.deviceId])
    await trusts(alice, bob.userId, [bob.deviceId])
    // Bob's keys go only to those whom a signature of Alice vouches for.
    bob.crypto.globalBlacklistUnverifiedDevices = true
    await scene.talk(roomId, [bob], [alice, alice2, bob])
  },

  'a fresh device reads the past from the key backup': async (scene) => {
    const { alice, bob, carol, roomId, users } = await three(scene)
    await setUpCrossSigning(alice)
    const said = await scene.talk(roomId, [alice, bob, carol])
    await backedUp(alice)
    await alice.client.logout(true)
    await alice[Symbol.asyncDispose]()
    const fresh = await scene.sdk(users.alice, alice.recoveryKey)
    await knowsMember(fresh, roomId, bob.userId)
    await restoreBackup(fresh)
    for (const eventId of said) await reads(fresh, eventId)
    await scene.acquainted(roomId, [fresh, bob, carol])
    await scene.talk(roomId, [fresh, bob, carol])
  },

  'who joins later reads what is said from then on': async (scene) => {
    const { alice, bob, carol, roomId } = await three(scene)
    await scene.talk(roomId, [alice, bob, carol])
    for (const server of [scene.home, scene.away]) {
      const dave = await scene.sdk(await scene.user('dave', server))
      const erin = await scene.nio(await scene.user('erin', server))
      for (const late of [dave, erin]) await alice.api.invite(roomId, late.userId)
      for (const late of [dave, erin]) await scene.join(late, roomId)
      const all = [alice, bob, carol, dave, erin]
      for (const device of all) for (const late of [dave, erin]) await knowsMember(device, roomId, late.userId)
      for (const device of all)
        for (const late of [dave, erin]) await knowsDevices(device, late.userId, [late.deviceId])
      await scene.talk(roomId, all)
      for (const late of [dave, erin]) await late.api.leave(roomId)
    }
  },

  'a deleted device is forgotten by all, and the others go on': async (scene) => {
    const { alice, bob, carol, roomId, users } = await three(scene)
    const bob2 = await scene.sdk(users.bob)
    const carol2 = await scene.nio(users.carol)
    await scene.acquainted(roomId, [alice, bob, carol, bob2, carol2])
    await scene.talk(roomId, [alice, bob2, carol2], [alice, bob, carol, bob2, carol2])
    for (const [own, deleted] of [
      [bob, bob2],
      [carol, carol2],
    ] as const) {
      await deleted[Symbol.asyncDispose]()
      await deleteDevice(own, deleted.deviceId)
    }
    await scene.acquainted(roomId, [alice, bob, carol])
    await scene.talk(roomId, [alice, bob, carol])
  },

  'a server is down for a while, and what was said meanwhile is read': async (scene) => {
    const { alice, bob, carol, roomId, users } = await three(scene)
    await scene.talk(roomId, [alice, bob, carol])
    await scene.away.stop()
    // Where there is one server, all wait for it.
    const meanwhile: string[] = []
    const two = scene.away !== scene.home
    if (two) for (let n = 0; n < 5; n++) meanwhile.push(await alice.send(roomId, `while you were away ${n}`))
    const alice2 = two ? await scene.sdk(users.alice) : null
    if (alice2 !== null) {
      await knowsDevices(alice, alice.userId, [alice.deviceId, alice2.deviceId])
      meanwhile.push(await alice.send(roomId, 'to the new one too'))
      await reads(alice2, meanwhile.at(-1)!)
    }
    await scene.away.boot()
    await reachEachOther(scene.servers)
    for (const eventId of meanwhile) for (const device of [bob, carol]) await reads(device, eventId)
    const all = [alice, bob, carol, ...(alice2 === null ? [] : [alice2])]
    await scene.acquainted(roomId, all)
    await scene.talk(roomId, [bob, carol, alice], all)
    if (alice2 !== null) await scene.talk(roomId, [alice2], all)
  },
}

/** Alice at home, Bob elsewhere, both on the SDK, and Carol elsewhere on nio, in a room of Alice. */
async function three(scene: Scene) {
  const users = [
    await scene.user('alice', scene.home),
    await scene.user('bob', scene.away),
    await scene.user('carol', scene.away),
  ] as const
  const [alice, bob, carol] = await Promise.all([scene.sdk(users[0]), scene.sdk(users[1]), scene.nio(users[2])])
  return {
    alice,
    bob,
    carol,
    users: { alice: users[0], bob: users[1], carol: users[2] },
    roomId: await scene.room(alice, bob, carol),
  }
}
