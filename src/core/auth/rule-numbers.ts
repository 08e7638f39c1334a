import type { RoomVersionRules } from '#core/room-versions.ts'

/** Where each rule stands on the page of one room version. `null`: the version has no such rule. */
export type RuleNumbers = {
  readonly create: {
    readonly prevEvents: string
    readonly roomId: string
    readonly roomVersion: string
    readonly creator: string | null
    readonly additionalCreators: string | null
    readonly allow: string
  }
  readonly roomId: string | null
  readonly authEvents: {
    readonly duplicate: string
    readonly unselected: string
    readonly rejected: string
    readonly noCreate: string | null
    readonly otherRoom: string
  }
  /** Reported when the state to check against holds no create event. */
  readonly createMissing: string
  readonly federate: string
  readonly aliases: string | null
  readonly member: MemberRuleNumbers
  readonly senderJoined: string
  readonly thirdPartyInvite: string
  readonly requiredLevel: string
  readonly userStateKey: string
  readonly powerLevels: PowerLevelRuleNumbers
  readonly redaction: string | null
  readonly allow: string
}

export type MemberRuleNumbers = {
  readonly malformed: string
  readonly authorisedVia: string | null
  readonly join: string
  /** Within `join`: null before restricted rooms. */
  readonly joinRestricted: string | null
  readonly joinPublic: string
  readonly joinOtherwise: string
  readonly invite: string
  readonly leave: string
  readonly ban: string
  readonly knock: string | null
  readonly unknown: string
}

export type PowerLevelRuleNumbers = {
  readonly integers: string | null
  readonly integerMaps: string | null
  readonly users: string
  readonly creators: string | null
  readonly first: string
  readonly properties: string
  readonly entriesRemoved: string
  readonly entriesAdded: string
  readonly usersRemoved: string
  readonly usersAdded: string
  readonly allow: string
}

/** Whether a rule is about what the content of a create or power levels event may be, whoever sends it. */
export function isContentRule(rules: RoomVersionRules, rule: string): boolean {
  const { create, powerLevels } = ruleNumbers(rules)
  const { integers, integerMaps, users, creators } = powerLevels
  const { roomVersion, creator, additionalCreators } = create
  return [roomVersion, creator, additionalCreators, integers, integerMaps, users, creators].includes(rule)
}

const cache = new WeakMap<RoomVersionRules, RuleNumbers>()

/** The numbers of the version that these rules describe. */
export function ruleNumbers(rules: RoomVersionRules): RuleNumbers {
  const known = cache.get(rules)
  if (known !== undefined) return known
  const made = number(rules)
  cache.set(rules, made)
  return made
}

/** Counts list items: `next()` is the number of the next one. */
function counter(prefix = ''): () => string {
  let item = 0
  return () => {
    item += 1
    return `${prefix}${item}`
  }
}

function number(rules: RoomVersionRules): RuleNumbers {
  const { auth } = rules
  const next = counter()
  const create = numberCreate(rules, next())
  const roomId = rules.roomIdIsCreateHash ? next() : null
  const authEvents = numberAuthEvents(rules, next())
  return {
    create,
    roomId,
    authEvents,
    createMissing: roomId ?? authEvents.noCreate ?? authEvents.unselected,
    federate: next(),
    aliases: auth.aliasesRule ? next() : null,
    member: numberMember(rules, next()),
    senderJoined: next(),
    thirdPartyInvite: `${next()}.1`,
    requiredLevel: next(),
    userStateKey: next(),
    powerLevels: numberPowerLevels(rules, next()),
    redaction: auth.redactionRule ? next() : null,
    allow: next(),
  }
}

function numberCreate(rules: RoomVersionRules, section: string): RuleNumbers['create'] {
  const next = counter(`${section}.`)
  return {
    prevEvents: next(),
    roomId: next(),
    roomVersion: next(),
    creator: rules.auth.createNamesCreator ? next() : null,
    additionalCreators: rules.auth.privilegedCreators ? next() : null,
    allow: next(),
  }
}

function numberAuthEvents(rules: RoomVersionRules, section: string): RuleNumbers['authEvents'] {
  const next = counter(`${section}.`)
  return {
    duplicate: next(),
    unselected: next(),
    rejected: next(),
    noCreate: rules.roomIdIsCreateHash ? null : next(),
    otherRoom: next(),
  }
}

function numberMember(rules: RoomVersionRules, section: string): MemberRuleNumbers {
  const next = counter(`${section}.`)
  const malformed = next()
  const authorisedVia = rules.auth.restrictedJoin ? `${next()}.1` : null
  const join = next()
  // Within `join` the first four items are the same in every version.
  const joinRestricted = rules.auth.restrictedJoin ? `${join}.5` : null
  return {
    malformed,
    authorisedVia,
    join,
    joinRestricted,
    joinPublic: `${join}.${joinRestricted === null ? 5 : 6}`,
    joinOtherwise: `${join}.${joinRestricted === null ? 6 : 7}`,
    invite: next(),
    leave: next(),
    ban: next(),
    knock: rules.auth.knock ? next() : null,
    unknown: next(),
  }
}

function numberPowerLevels(rules: RoomVersionRules, section: string): PowerLevelRuleNumbers {
  const next = counter(`${section}.`)
  const { integerPowerLevels, privilegedCreators } = rules.auth
  return {
    integers: integerPowerLevels ? next() : null,
    integerMaps: integerPowerLevels ? next() : null,
    users: next(),
    creators: privilegedCreators ? next() : null,
    first: next(),
    properties: next(),
    entriesRemoved: `${next()}.1`,
    entriesAdded: `${next()}.1`,
    usersRemoved: `${next()}.1`,
    usersAdded: `${next()}.1`,
    allow: next(),
  }
}
