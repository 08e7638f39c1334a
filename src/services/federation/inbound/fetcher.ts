import type { EventId, RoomId, ServerName } from '#core/ids.ts'
import { isEventId } from '#core/ids.ts'
import { isJsonObject, type JsonArray, type JsonObject, type JsonValue, member } from '#core/json/value.ts'
import type { FederationClient } from '#services/federation/transport/federation-client.ts'
import { TimeSlice } from '#services/time/time-slice.ts'

/** Answers that hold whole states. */
const STATE_BYTES_MAX = 100 * 1024 * 1024
const STATE_TIMEOUT_MS = 60_000
const EVENT_TIMEOUT_MS = 10_000
/** Requests for single events to one server at one time. */
const SINGLE_EVENTS_AT_ONCE_MAX = 8
/** Entries of a list that are looked at, in what others say about states and auth chains. */
const STATE_EVENTS_MAX = 200_000

export type MissingEventsRequest = {
  readonly roomId: RoomId
  /** Events that are here. */
  readonly earliest: readonly EventId[]
  /** Events whose previous events are wanted. */
  readonly latest: readonly EventId[]
  readonly limit: number
  /** Events below this depth aren't wanted. */
  readonly minDepth: number
}

/** A state and what authorises it, as another server says; in JSON, nothing checked. */
export type ClaimedState = { readonly pdus: readonly JsonObject[]; readonly authChain: readonly JsonObject[] }

/**
 * What can be asked of other servers about events of rooms. The answers are JSON that nobody has looked at: whoever asks
 * gives them to the ingest, which checks them. null where the server gave no useful answer.
 */
export class Fetcher {
  readonly #client: Pick<FederationClient, 'request'>

  constructor(client: Pick<FederationClient, 'request'>) {
    this.#client = client
  }

  /** `GET /event/{eventId}` */
  async getEvent(server: ServerName, eventId: EventId): Promise<JsonObject | null> {
    const answer = await this.#get(server, `event/${encodeURIComponent(eventId)}`)
    return pdusIn(answer, 'pdus', 1)?.[0] ?? null
  }

  /** As `getEvent`, for several: those that the server gives. Stops where it gives none of some. */
  async getEvents(server: ServerName, eventIds: readonly EventId[]): Promise<JsonObject[]> {
    const found: JsonObject[] = []
    for (let at = 0; at < eventIds.length; at += SINGLE_EVENTS_AT_ONCE_MAX) {
      const some = eventIds.slice(at, at + SINGLE_EVENTS_AT_ONCE_MAX)
      const pdus = await Promise.all(some.map((id) => this.getEvent(server, id)))
      found.push(...pdus.filter((pdu) => pdu !== null))
      if (pdus.every((pdu) => pdu === null)) break
    }
    return found
  }

  /** `GET /state_ids/{roomId}`: the state before an event, without its own change. */
  async stateIds(
    server: ServerName,
    roomId: RoomId,
    eventId: EventId,
  ): Promise<{ readonly pduIds: readonly EventId[]; readonly authChainIds: readonly EventId[] } | null> {
    const answer = await this.#get(server, `state_ids/${encodeURIComponent(roomId)}${ofEvent(eventId)}`, true)
    const pduIds = await idsIn(answer, 'pdu_ids')
    const authChainIds = await idsIn(answer, 'auth_chain_ids')
    return pduIds === null || authChainIds === null ? null : { pduIds, authChainIds }
  }

  /** `GET /state/{roomId}`: the same with the events themselves. */
  async state(server: ServerName, roomId: RoomId, eventId: EventId): Promise<ClaimedState | null> {
    const answer = await this.#get(server, `state/${encodeURIComponent(roomId)}${ofEvent(eventId)}`, true)
    const pdus = pdusIn(answer, 'pdus', STATE_EVENTS_MAX)
    const authChain = pdusIn(answer, 'auth_chain', STATE_EVENTS_MAX)
    return pdus === null || authChain === null ? null : { pdus, authChain }
  }

  /** `POST /get_missing_events/{roomId}` */
  async missingEvents(server: ServerName, request: MissingEventsRequest): Promise<JsonObject[] | null> {
    const reply = await this.#client.request({
      destination: server,
      method: 'POST',
      uri: `/_matrix/federation/v1/get_missing_events/${encodeURIComponent(request.roomId)}`,
      body: {
        earliest_events: [...request.earliest],
        latest_events: [...request.latest],
        limit: request.limit,
        min_depth: request.minDepth,
      },
      timeoutMs: EVENT_TIMEOUT_MS,
    })
    return reply.outcome === 'answered' ? pdusIn(reply.json, 'events', request.limit) : null
  }

  /**
   * `GET /backfill/{roomId}`: these events and those before them, newest first as a rule. Nothing where the server says
   * no or nonsense; null where it may answer another time.
   */
  async backfill(
    server: ServerName,
    roomId: RoomId,
    eventIds: readonly EventId[],
    limit: number,
  ): Promise<JsonObject[] | null> {
    const query = eventIds.map((id) => `v=${encodeURIComponent(id)}&`).join('')
    const uri = `/_matrix/federation/v1/backfill/${encodeURIComponent(roomId)}?${query}limit=${limit}`
    const reply = await this.#client.request({ destination: server, method: 'GET', uri, timeoutMs: EVENT_TIMEOUT_MS })
    if (reply.outcome === 'answered') return pdusIn(reply.json, 'pdus', limit) ?? []
    const isFinal =
      reply.outcome === 'malformed' ||
      reply.outcome === 'too large' ||
      (reply.outcome === 'refused' && reply.status < 500 && reply.status !== 429)
    return isFinal ? [] : null
  }

  /** `GET /event_auth/{roomId}/{eventId}`: the whole auth chain. */
  async eventAuth(server: ServerName, roomId: RoomId, eventId: EventId): Promise<JsonObject[] | null> {
    const path = `event_auth/${encodeURIComponent(roomId)}/${encodeURIComponent(eventId)}`
    return pdusIn(await this.#get(server, path, true), 'auth_chain', STATE_EVENTS_MAX)
  }

  async #get(destination: ServerName, path: string, isLong = false): Promise<JsonValue | null> {
    const reply = await this.#client.request({
      destination,
      method: 'GET',
      uri: `/_matrix/federation/v1/${path}`,
      timeoutMs: isLong ? STATE_TIMEOUT_MS : EVENT_TIMEOUT_MS,
      ...(isLong ? { bytesMax: STATE_BYTES_MAX } : {}),
    })
    return reply.outcome === 'answered' ? reply.json : null
  }
}

const ofEvent = (eventId: EventId): string => `?event_id=${encodeURIComponent(eventId)}`

function listIn(answer: JsonValue | null, key: string): JsonArray | null {
  const list = answer !== null && isJsonObject(answer) ? member(answer, key) : undefined
  return Array.isArray(list) ? (list as JsonArray) : null
}

/** The objects of a list, as many as were asked for; what else it holds is no event. */
function pdusIn(answer: JsonValue | null, key: string, countMax: number): JsonObject[] | null {
  return listIn(answer, key)?.slice(0, countMax).filter(isJsonObject) ?? null
}

async function idsIn(answer: JsonValue | null, key: string): Promise<EventId[] | null> {
  const list = listIn(answer, key)?.slice(0, STATE_EVENTS_MAX)
  if (list === undefined) return null
  const timeSlice = new TimeSlice()
  const ids: EventId[] = []
  for (const id of list) {
    if (typeof id === 'string' && isEventId(id)) ids.push(id)
    await timeSlice.yieldIfDue()
  }
  return ids
}
