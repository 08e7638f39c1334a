import type { UserId } from '#core/ids.ts'
import type { JsonObject } from '#core/json/value.ts'
import { type CompiledRuleset, compileRules } from '#core/push/evaluate.ts'
import { mergeRuleset, NO_CHANGES, type PushRuleChanges } from '#core/push/ruleset.ts'
import type { ReadTx } from '#store/store.ts'
import type { UserNid } from '#store/types/users.ts'

/**
 * The type of account data under which push rules are kept. What is stored is what the user changed; clients are shown
 * the whole ruleset made of it, so that predefined rules can change with the program.
 */
export const PUSH_RULES_TYPE = 'm.push_rules'

/** From stored content; null stands for a user who never changed a rule. */
export function changesOf(content: JsonObject | null): PushRuleChanges {
  return content === null ? NO_CHANGES : (content as unknown as PushRuleChanges)
}

export function contentOf(changes: PushRuleChanges): JsonObject {
  return changes as unknown as JsonObject
}

/** The content of the event `m.push_rules`, as clients see it. */
export function clientPushRules(userId: UserId, content: JsonObject | null): JsonObject {
  return { global: mergeRuleset(userId, changesOf(content)) } as unknown as JsonObject
}

/** A user's rules inside a read, ready to be evaluated. */
export async function compiledRulesOf(tx: ReadTx, user: UserNid, userId: UserId): Promise<CompiledRuleset> {
  return compileRules(userId, changesOf(await tx.accountData.get(user, null, PUSH_RULES_TYPE)))
}
