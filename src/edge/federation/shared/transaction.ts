import type { Config } from '#config/schema.ts'
import type { JsonObject } from '#core/json/value.ts'

/** Events in the form of a transaction (server-server API, definitions `single_pdu_transaction` and `pdu_transaction`). */
export function transactionOf(pdus: readonly JsonObject[], clock: () => number, config: Config): object {
  return { origin: config.server_name, origin_server_ts: clock(), pdus }
}
