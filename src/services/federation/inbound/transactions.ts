import type { ServerName } from '#core/ids.ts'
import { isJsonObject, type JsonArray, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import { badJson, forbidden, invalidParam } from '#core/matrix-error.ts'
import type { Edus } from '#services/federation/inbound/edus.ts'
import { EduCounts } from '#services/federation/inbound/inbound-counters.ts'
import type { Ingest } from '#services/federation/inbound/ingest.ts'
import type { Store } from '#store/store.ts'

/** "This cannot have more than 50 PDUs" */
export const PDUS_MAX = 50
/** "… and 100 EDUs" */
export const EDUS_MAX = 100

type Deps = { readonly store: Store; readonly ingest: Pick<Ingest, 'receive'>; readonly edus: Pick<Edus, 'receive'> }

/** What other servers send in `PUT /send/{txnId}` ("Transactions"). */
export class Transactions {
  /** What came in, repeated transactions left out. */
  readonly eduCounts = new EduCounts()
  readonly #deps: Deps
  /** Transactions under way, for those that repeat them meanwhile. */
  readonly #underWay = new Map<string, Promise<JsonObject>>()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Takes a transaction. The same one again gets the same answer, also while the first is under way and after a restart,
   * and does nothing. What is wrong with one PDU or EDU concerns that alone.
   *
   * @throws M_INVALID_PARAM for more than there may be, M_BAD_JSON, M_FORBIDDEN where the body names another server
   */
  async receive(origin: ServerName, txnId: string, body: JsonObject): Promise<JsonObject> {
    const named = member(body, 'origin')
    if (named !== undefined && named !== origin) throw forbidden('The transaction is of another server')
    const pdus = list(body, 'pdus')
    const edus = list(body, 'edus')
    if (pdus.length > PDUS_MAX) throw invalidParam(`A transaction has at most ${PDUS_MAX} PDUs`)
    if (edus.length > EDUS_MAX) throw invalidParam(`A transaction has at most ${EDUS_MAX} EDUs`)
    const key = JSON.stringify([origin, txnId])
    const same = this.#underWay.get(key)
    if (same !== undefined) return same
    const receiving = this.#receive(origin, txnId, pdus, edus).finally(() => this.#underWay.delete(key))
    this.#underWay.set(key, receiving)
    return receiving
  }

  async #receive(origin: ServerName, txnId: string, pdus: JsonArray, edus: JsonArray): Promise<JsonObject> {
    const { store, ingest } = this.#deps
    const before = await store.read((tx) => tx.inbound.transaction(origin, txnId))
    if (before !== null) return before
    const answers = await ingest.receive(origin, pdus.filter(isJsonObject))
    this.eduCounts.add(edus)
    await this.#deps.edus.receive(origin, edus)
    const answer: JsonObject = { pdus: Object.fromEntries(answers) as JsonObject }
    await store.write((tx) => tx.inbound.putTransaction(origin, txnId, answer))
    return answer
  }
}

function list(body: JsonObject, key: string): JsonArray {
  const value: JsonValue | undefined = member(body, key)
  if (value === undefined) return []
  if (!Array.isArray(value)) throw badJson(`${key} is not a list`)
  return value as JsonArray
}
