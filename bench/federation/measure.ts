import { TestCa } from '#test/federation/harness/test-ca.ts'
import { type InboundFigures, measureForkedInbound, measureInbound, measureLargeInbound } from './inbound.ts'
import { type JoinFigures, measureJoin } from './joins.ts'
import { measureResolutions, type ResolutionFigures } from './resolution.ts'

export type FederationSizes = {
  readonly rooms: readonly number[]
  readonly inboundEvents: number
  readonly hostileEvents: number
}

export const FEDERATION_FULL: FederationSizes = { rooms: [1_000, 10_000], inboundEvents: 10_000, hostileEvents: 10_000 }
export const FEDERATION_QUICK: FederationSizes = { rooms: [300], inboundEvents: 1_000, hostileEvents: 1_000 }

export type FederationFigures = {
  readonly joins: readonly JoinFigures[]
  readonly inbound: readonly InboundFigures[]
  readonly resolutions: readonly ResolutionFigures[]
}

const SERVERS = 10

/** Each on a server of its own that has just started, so that none finds anything at hand. */
export async function measureFederation(sizes: FederationSizes): Promise<FederationFigures> {
  using ca = new TestCa()
  const joins: JoinFigures[] = []
  for (const members of sizes.rooms) {
    for (const isPartial of [true, false]) joins.push(await measureJoin(ca, members, isPartial))
  }
  const inbound = [
    await measureInbound(ca, 1, sizes.inboundEvents),
    await measureInbound(ca, SERVERS, sizes.inboundEvents),
    await measureForkedInbound(ca, SERVERS, sizes.inboundEvents / 5),
    await measureLargeInbound(ca, sizes.inboundEvents / 20),
  ]
  return { joins, inbound, resolutions: await measureResolutions(sizes.hostileEvents) }
}
