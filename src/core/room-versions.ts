/**
 * What differs between room versions, as data (specification, "Room Versions"). Nothing else in Hearth compares room
 * versions: code asks for the named rule.
 */

/** Which fields survive a redaction. Lists are keys kept in `content`; `true` keeps the whole content. */
export type RedactionRules = {
  /** Top-level fields kept besides those that every version keeps. */
  readonly topLevelKept: readonly string[]
  readonly contentKept: Readonly<Record<string, readonly string[] | true>>
  /** `m.room.member` keeps `third_party_invite.signed` (v11). */
  readonly memberKeepsThirdPartySigned: boolean
}

export type RoomVersionRules = {
  readonly version: string
  /** v1–2: `$local:server`, chosen by the sender; v3: reference hash in base64; v4+: in URL-safe base64. */
  readonly eventIdFormat: 'chosen' | 'base64' | 'base64url'
  /** v1–2: `auth_events` and `prev_events` are lists of [id, hashes]. */
  readonly eventReferences: 'pairs' | 'ids'
  readonly stateResolution: 'v1' | 'v2' | 'v2.1'
  /** v6+: no floats, no integers past 2^53 − 1, no −0; before, such numbers are tolerated as they stand. */
  readonly strictCanonicalJson: boolean
  /** v5+: a key must have been valid when the event was made. */
  readonly enforceKeyValidity: boolean
  readonly redaction: RedactionRules
  /** v11+: `redacts` stands in `content`. */
  readonly redactsInContent: boolean
  /** v12: the room id is `!` and the create event's hash; the create event has no `room_id` and is never cited. */
  readonly roomIdIsCreateHash: boolean
  readonly auth: {
    /** v1–5: `m.room.aliases` has a rule of its own. */
    readonly aliasesRule: boolean
    /** v1–2: `m.room.redaction` is checked by the authorisation rules. */
    readonly redactionRule: boolean
    /** v6+: `notifications` levels are checked in `m.room.power_levels`. */
    readonly checksNotificationLevels: boolean
    /** v7+ */
    readonly knock: boolean
    /** v8+ */
    readonly restrictedJoin: boolean
    /** v10+ */
    readonly knockRestricted: boolean
    /** v10+: power levels must be integers; before, strings of integers are tolerated. */
    readonly integerPowerLevels: boolean
    /** v1–10: the create event must name its `creator`; from v11 the sender is the creator. */
    readonly createNamesCreator: boolean
    /** v12: creators (sender and `additional_creators`) stand above every level and never in `users`. */
    readonly privilegedCreators: boolean
  }
}

const REDACTION_V1: RedactionRules = {
  topLevelKept: ['prev_state', 'origin', 'membership'],
  contentKept: {
    'm.room.member': ['membership'],
    'm.room.create': ['creator'],
    'm.room.join_rules': ['join_rule'],
    'm.room.power_levels': [
      'ban',
      'events',
      'events_default',
      'kick',
      'redact',
      'state_default',
      'users',
      'users_default',
    ],
    'm.room.aliases': ['aliases'],
    'm.room.history_visibility': ['history_visibility'],
  },
  memberKeepsThirdPartySigned: false,
}
const { 'm.room.aliases': _aliases, ...CONTENT_KEPT_V6 } = REDACTION_V1.contentKept
const REDACTION_V6: RedactionRules = { ...REDACTION_V1, contentKept: CONTENT_KEPT_V6 }
const REDACTION_V8: RedactionRules = {
  ...REDACTION_V6,
  contentKept: { ...REDACTION_V6.contentKept, 'm.room.join_rules': ['join_rule', 'allow'] },
}
const REDACTION_V9: RedactionRules = {
  ...REDACTION_V8,
  contentKept: { ...REDACTION_V8.contentKept, 'm.room.member': ['membership', 'join_authorised_via_users_server'] },
}
const REDACTION_V11: RedactionRules = {
  topLevelKept: [],
  contentKept: {
    ...REDACTION_V9.contentKept,
    'm.room.create': true,
    'm.room.redaction': ['redacts'],
    'm.room.power_levels': [...(REDACTION_V9.contentKept['m.room.power_levels'] as readonly string[]), 'invite'],
  },
  memberKeepsThirdPartySigned: true,
}

const V1: RoomVersionRules = {
  version: '1',
  eventIdFormat: 'chosen',
  eventReferences: 'pairs',
  stateResolution: 'v1',
  strictCanonicalJson: false,
  enforceKeyValidity: false,
  redaction: REDACTION_V1,
  redactsInContent: false,
  roomIdIsCreateHash: false,
  auth: {
    aliasesRule: true,
    redactionRule: true,
    checksNotificationLevels: false,
    knock: false,
    restrictedJoin: false,
    knockRestricted: false,
    integerPowerLevels: false,
    createNamesCreator: true,
    privilegedCreators: false,
  },
}
const V2: RoomVersionRules = { ...V1, version: '2', stateResolution: 'v2' }
const V3: RoomVersionRules = {
  ...V2,
  version: '3',
  eventIdFormat: 'base64',
  eventReferences: 'ids',
  auth: { ...V2.auth, redactionRule: false },
}
const V4: RoomVersionRules = { ...V3, version: '4', eventIdFormat: 'base64url' }
const V5: RoomVersionRules = { ...V4, version: '5', enforceKeyValidity: true }
const V6: RoomVersionRules = {
  ...V5,
  version: '6',
  strictCanonicalJson: true,
  redaction: REDACTION_V6,
  auth: { ...V5.auth, aliasesRule: false, checksNotificationLevels: true },
}
const V7: RoomVersionRules = { ...V6, version: '7', auth: { ...V6.auth, knock: true } }
const V8: RoomVersionRules = {
  ...V7,
  version: '8',
  redaction: REDACTION_V8,
  auth: { ...V7.auth, restrictedJoin: true },
}
const V9: RoomVersionRules = { ...V8, version: '9', redaction: REDACTION_V9 }
const V10: RoomVersionRules = {
  ...V9,
  version: '10',
  auth: { ...V9.auth, knockRestricted: true, integerPowerLevels: true },
}
const V11: RoomVersionRules = {
  ...V10,
  version: '11',
  redaction: REDACTION_V11,
  redactsInContent: true,
  auth: { ...V10.auth, createNamesCreator: false },
}
const V12: RoomVersionRules = {
  ...V11,
  version: '12',
  stateResolution: 'v2.1',
  roomIdIsCreateHash: true,
  auth: { ...V11.auth, privilegedCreators: true },
}

export const ROOM_VERSIONS: ReadonlyMap<string, RoomVersionRules> = new Map(
  [V1, V2, V3, V4, V5, V6, V7, V8, V9, V10, V11, V12].map((rules) => [rules.version, rules]),
)
