/** Who plays: three users with two devices each, new for every script. */
import { V3 } from '#test/twin/operation.ts'
import type { Call } from '#test/twin/script.ts'
import { Side } from '#test/twin/side.ts'
import { DEVICES, USERS } from '#test/twin/world.ts'

export const PASSWORD = 'correct horse battery'

/** Makes the accounts on one server. `tag` sets them apart from all others. */
export async function enter(url: string, tag: string): Promise<Side> {
  const side = new Side(url)
  side.bind('tag', tag)
  for (const user of USERS) side.bind(user, `${user}-${tag}`)
  await Promise.all(
    USERS.map(async (user) => {
      for (const device of DEVICES) {
        const call = entering(user, device)
        const outcome = await side.play(call)
        if (outcome?.status !== 200) throw new Error(`${call.operation} at ${url}: ${JSON.stringify(outcome?.raw)}`)
        side.accept(call, outcome)
      }
    }),
  )
  return side
}

function entering(user: string, device: number): Call {
  const client = { device_id: `DEVICE${device}`, initial_device_display_name: `Device ${device}` }
  const isFirst = device === DEVICES[0]
  const identifier = { type: 'm.id.user', user: `<${user}>` }
  return {
    operation: isFirst ? 'register' : 'login',
    variant: '',
    method: 'POST',
    path: `${V3}/${isFirst ? 'register' : 'login'}`,
    params: {},
    query: {},
    body: isFirst
      ? { username: `<${user}>`, password: PASSWORD, auth: { type: 'm.login.dummy' }, ...client }
      : { type: 'm.login.password', identifier, password: PASSWORD, ...client },
    as: null,
    binds: { [`token ${user} ${device}`]: ['access_token'] },
    unordered: [],
    sparse: false,
  }
}
