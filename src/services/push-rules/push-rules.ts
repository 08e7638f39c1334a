import type { JsonValue } from '#core/json/value.ts'
import type { PushRule, Ruleset } from '#core/push/push-rule.ts'
import type { PushRuleChanges } from '#core/push/ruleset.ts'
import {
  deleteRule,
  getRule,
  mergeRuleset,
  parseRuleKind,
  putRule,
  setRuleActions,
  setRuleEnabled,
} from '#core/push/ruleset.ts'
import type { Caller } from '#services/accounts/caller.ts'
import { changesOf, contentOf, PUSH_RULES_TYPE } from '#services/push-rules/stored-push-rules.ts'
import type { Store } from '#store/store.ts'

export type RulePlace = { readonly before?: string | undefined; readonly after?: string | undefined }

/** The push rules of users, as they read and edit them. */
export class PushRules {
  readonly #store: Store

  constructor(deps: { store: Store }) {
    this.#store = deps.store
  }

  /** The whole ruleset, predefined rules included. */
  async ruleset({ userId, userNid }: Caller): Promise<Ruleset> {
    const content = await this.#store.read((tx) => tx.accountData.get(userNid, null, PUSH_RULES_TYPE))
    return mergeRuleset(userId, changesOf(content))
  }

  /** The rules of one kind, highest priority first. @throws MatrixError M_INVALID_PARAM (kind) */
  async ofKind(caller: Caller, kind: string): Promise<readonly PushRule[]> {
    return (await this.ruleset(caller))[parseRuleKind(kind)]
  }

  /** @throws MatrixError M_INVALID_PARAM (kind), M_NOT_FOUND */
  async rule(caller: Caller, kind: string, ruleId: string): Promise<PushRule> {
    return getRule(await this.ruleset(caller), parseRuleKind(kind), ruleId)
  }

  /** Adds or replaces a rule of the user's own. @throws MatrixError as `putRule` does */
  async put(caller: Caller, kind: string, ruleId: string, body: JsonValue, place: RulePlace): Promise<void> {
    const known = parseRuleKind(kind)
    await this.#edit(caller, (changes) => putRule(changes, known, ruleId, body, place))
  }

  /** @throws MatrixError M_INVALID_PARAM (kind), M_NOT_FOUND */
  async delete(caller: Caller, kind: string, ruleId: string): Promise<void> {
    const known = parseRuleKind(kind)
    await this.#edit(caller, (changes) => deleteRule(changes, known, ruleId))
  }

  /** @throws MatrixError as `setRuleEnabled` does */
  async setEnabled(caller: Caller, kind: string, ruleId: string, body: JsonValue): Promise<void> {
    const known = parseRuleKind(kind)
    await this.#edit(caller, (changes) => setRuleEnabled(changes, known, ruleId, body))
  }

  /** @throws MatrixError as `setRuleActions` does */
  async setActions(caller: Caller, kind: string, ruleId: string, body: JsonValue): Promise<void> {
    const known = parseRuleKind(kind)
    await this.#edit(caller, (changes) => setRuleActions(changes, known, ruleId, body))
  }

  async #edit({ userNid }: Caller, edit: (changes: PushRuleChanges) => PushRuleChanges): Promise<void> {
    await this.#store.write(async (tx) => {
      const changes = edit(changesOf(await tx.accountData.get(userNid, null, PUSH_RULES_TYPE)))
      await tx.accountData.put(userNid, null, PUSH_RULES_TYPE, contentOf(changes))
    })
  }
}
