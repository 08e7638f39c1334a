import type { JsonObject } from '#core/json/value.ts'
import type { PushAction, PushRule, Ruleset } from '#core/push/push-rule.ts'

/** "Unlike other server-default rules, this one has always a higher priority than other rules, even user defined ones." */
export const MASTER_RULE_ID = '.m.rule.master'

const NOTIFY: readonly PushAction[] = ['notify']
const NOTIFY_WITH_SOUND: readonly PushAction[] = ['notify', { set_tweak: 'sound', value: 'default' }]
const RING: readonly PushAction[] = ['notify', { set_tweak: 'sound', value: 'ring' }]
const NOTIFY_AND_HIGHLIGHT: readonly PushAction[] = ['notify', { set_tweak: 'highlight' }]
const MENTION: readonly PushAction[] = [...NOTIFY_WITH_SOUND, { set_tweak: 'highlight' }]
const NOTHING: readonly PushAction[] = []

/**
 * The predefined rules for a user, in order of priority (specification, "Predefined Rules"; the rules that looked for
 * names in the body went in v1.17).
 */
export function defaultRules(userId: string): Ruleset {
  return {
    override: [
      { ...rule(MASTER_RULE_ID, [], NOTHING), enabled: false },
      rule('.m.rule.suppress_notices', [match('content.msgtype', 'm.notice')], NOTHING),
      rule(
        '.m.rule.invite_for_me',
        [match('type', 'm.room.member'), match('content.membership', 'invite'), match('state_key', userId)],
        NOTIFY_WITH_SOUND,
      ),
      rule('.m.rule.member_event', [match('type', 'm.room.member')], NOTHING),
      rule(
        '.m.rule.is_user_mention',
        [{ kind: 'event_property_contains', key: 'content.m\\.mentions.user_ids', value: userId }],
        MENTION,
      ),
      rule(
        '.m.rule.is_room_mention',
        [
          { kind: 'event_property_is', key: 'content.m\\.mentions.room', value: true },
          { kind: 'sender_notification_permission', key: 'room' },
        ],
        NOTIFY_AND_HIGHLIGHT,
      ),
      rule('.m.rule.tombstone', [match('type', 'm.room.tombstone'), match('state_key', '')], NOTIFY_AND_HIGHLIGHT),
      rule('.m.rule.reaction', [match('type', 'm.reaction')], NOTHING),
      rule('.m.rule.room.server_acl', [match('type', 'm.room.server_acl'), match('state_key', '')], NOTHING),
      rule(
        '.m.rule.suppress_edits',
        [{ kind: 'event_property_is', key: 'content.m\\.relates_to.rel_type', value: 'm.replace' }],
        NOTHING,
      ),
    ],
    content: [],
    room: [],
    sender: [],
    underride: [
      rule('.m.rule.call', [match('type', 'm.call.invite')], RING),
      rule('.m.rule.encrypted_room_one_to_one', [ONE_TO_ONE, match('type', 'm.room.encrypted')], NOTIFY_WITH_SOUND),
      rule('.m.rule.room_one_to_one', [ONE_TO_ONE, match('type', 'm.room.message')], NOTIFY_WITH_SOUND),
      rule('.m.rule.message', [match('type', 'm.room.message')], NOTIFY),
      rule('.m.rule.encrypted', [match('type', 'm.room.encrypted')], NOTIFY),
    ],
  }
}

const ONE_TO_ONE: JsonObject = { kind: 'room_member_count', is: '2' }

function match(key: string, pattern: string): JsonObject {
  return { kind: 'event_match', key, pattern }
}

function rule(ruleId: string, conditions: readonly JsonObject[], actions: readonly PushAction[]): PushRule {
  return { rule_id: ruleId, default: true, enabled: true, conditions, actions }
}
