/** Push rules. */
import { type Draft, type Operation, V3 } from '#test/twin/operation.ts'
import { userId, type World } from '#test/twin/world.ts'

const RULE = `${V3}/pushrules/global/{kind}/{ruleId}`
const KINDS = ['override', 'content', 'room', 'sender', 'underride', 'other'] as const
const ACTIONS: readonly unknown[] = [
  ['notify'],
  [],
  ['dont_notify'],
  ['coalesce'],
  ['notify', { set_tweak: 'sound', value: 'default' }],
  ['notify', { set_tweak: 'highlight' }],
  ['dance'],
  'notify',
]

export const PUSH_OPERATIONS: readonly Operation[] = [
  {
    id: 'getPushRules',
    method: 'GET',
    path: `${V3}/pushrules/`,
    weight: 1,
    draft: (world) => ({ as: world.client() }),
  },
  {
    id: 'getPushRulesGlobal',
    method: 'GET',
    path: `${V3}/pushrules/global/`,
    weight: 1,
    draft: (world) => ({ as: world.client() }),
  },
  { id: 'getPushRule', method: 'GET', path: RULE, weight: 1, draft: aboutRule },
  { id: 'deletePushRule', method: 'DELETE', path: RULE, weight: 1, draft: aboutRule },
  {
    id: 'setPushRule',
    method: 'PUT',
    path: RULE,
    weight: 3,
    draft: (world) => {
      const about = aboutRule(world)
      const kind = about.params?.['kind']
      const conditions = [{ kind: 'event_match', key: 'content.body', pattern: 'x' }]
      const body = {
        actions: actions(world),
        ...((kind === 'override' || kind === 'underride') && !world.chance(6) && { conditions }),
        ...(kind === 'content' && !world.chance(6) && { pattern: 'soup' }),
      }
      const query = { before: world.chance(5) ? 'rule2' : undefined, after: world.chance(8) ? 'rule1' : undefined }
      return { ...about, body, query }
    },
  },
  { id: 'isPushRuleEnabled', method: 'GET', path: `${RULE}/enabled`, weight: 1, draft: aboutRule },
  {
    id: 'setPushRuleEnabled',
    method: 'PUT',
    path: `${RULE}/enabled`,
    weight: 1,
    draft: (world) => ({ ...aboutRule(world), body: { enabled: world.pick<unknown>([true, false, 'yes']) } }),
  },
  { id: 'getPushRuleActions', method: 'GET', path: `${RULE}/actions`, weight: 1, draft: aboutRule },
  {
    id: 'setPushRuleActions',
    method: 'PUT',
    path: `${RULE}/actions`,
    weight: 1,
    draft: (world) => ({ ...aboutRule(world), body: { actions: actions(world) } }),
  },
]

function actions(world: World): unknown {
  const chosen = world.pick(ACTIONS)
  if (!Array.isArray(chosen) || chosen[0] === 'dance') world.odd('unknown action')
  return chosen
}

function aboutRule(world: World): Draft {
  const kind = world.pick(KINDS)
  if (kind === 'other') world.odd('unknown kind')
  const ruleId = ruleOf(world, kind)
  return { as: world.client(), params: { kind, ruleId } }
}

function ruleOf(world: World, kind: string): string {
  if (world.chance(5)) {
    const rule = world.pick(['.m.rule.master', '.m.rule.message', '.m.rule.roomnotif', '.m.rule.none'])
    world.odd(rule)
    return rule
  }
  if (kind === 'room') return world.room().id
  if (kind === 'sender') return userId(world.user())
  return world.pick(['rule1', 'rule2', 'rule/3'])
}
