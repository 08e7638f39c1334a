/** Appends and their outcomes as they travel between the event loop's thread and the one that writes them. */
import type { Event } from '#core/event/event.ts'
import { viewEvent } from '#core/event/parse-event.ts'
import type { EventId } from '#core/ids.ts'
import { ROOM_VERSIONS } from '#core/room-versions.ts'
import type { Outcome } from '#store/sql/engine.ts'
import { parseStored, storedText } from '#store/sql/stored-events.ts'
import { isSliceOver, nextSlice } from '#store/time-slices.ts'
import {
  type Append,
  type Appended,
  DuplicateTransactionError,
  type NewEvent,
  StaleHeadError,
} from '#store/types/events.ts'
import type { CommittedEntry, LogCommit } from '#store/types/log.ts'

/** What is written at once, unless there is time left for more. */
const LONG_TEXT_CHARACTERS = 64 * 1024

/** An event's views are made anew from its text on the other side: that costs less than copying them. */
type SentEvent = { readonly eventId: EventId; readonly version: string; readonly text: string }
type SentNewEvent = Omit<NewEvent, 'event' | 'redaction'> & {
  readonly event: SentEvent
  readonly redaction?: Omit<NonNullable<NewEvent['redaction']>, 'redacted'> & { readonly redacted: SentEvent }
}
export type SentAppend = Omit<Append, 'events'> & { readonly events: readonly SentNewEvent[] }

/** What the thread is asked to do; null: to close the database and end. */
export type AppendRequest = { readonly now: number; readonly appends: readonly SentAppend[] } | null

export type SentError = {
  readonly name: string
  readonly message: string
  readonly eventId?: EventId
  readonly stack?: string
  readonly errcode?: number
}
export type SentOutcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: SentError }
type SentEntry = Omit<CommittedEntry, 'event'> & { readonly hasEvent: boolean }
/** Without the events, which the receiver has. */
export type SentCommit = Omit<LogCommit, 'entries'> & { readonly entries: readonly SentEntry[] }
/** What came of a request: as `GroupOutcome`, or why nothing of it was done. */
export type AppendAnswer =
  | { readonly outcomes: readonly SentOutcome[]; readonly commit: SentCommit | null }
  | { readonly failure: SentError }

/** Yields to the event loop where the events are many and large. */
export async function sentAppend({ events, ...append }: Append): Promise<SentAppend> {
  const sent: SentNewEvent[] = []
  let characters = 0
  for (const { event, redaction, ...rest } of events) {
    const written = sentEvent(event)
    sent.push({
      ...rest,
      event: written,
      ...(redaction && { redaction: { target: redaction.target, redacted: sentEvent(redaction.redacted) } }),
    })
    characters += written.text.length
    if (characters < LONG_TEXT_CHARACTERS || !isSliceOver()) continue
    characters = 0
    await nextSlice()
  }
  return { ...append, events: sent }
}

export function receivedAppend({ events, ...append }: SentAppend): Append {
  return {
    ...append,
    events: events.map(({ event, redaction, ...rest }) => ({
      ...rest,
      event: receivedEvent(event),
      ...(redaction && { redaction: { target: redaction.target, redacted: receivedEvent(redaction.redacted) } }),
    })),
  }
}

export function sentOutcome(outcome: Outcome): SentOutcome {
  return outcome.ok ? outcome : { ok: false, error: sentError(outcome.error) }
}

export function receivedOutcome(outcome: SentOutcome): Outcome {
  return outcome.ok ? outcome : { ok: false, error: receivedError(outcome.error) }
}

export function sentCommit({ entries, ...range }: LogCommit): SentCommit {
  return { ...range, entries: entries.map(({ event, ...entry }) => ({ ...entry, hasEvent: event !== null })) }
}

/** @param appends what the thread was given, and what came of each */
export function receivedCommit(
  { entries, ...range }: SentCommit,
  appends: readonly Append[],
  outcomes: readonly Outcome[],
): LogCommit {
  const byPosition = new Map<number, CommittedEntry['event']>()
  for (const [i, { roomNid, events }] of appends.entries()) {
    const outcome = outcomes[i]
    if (outcome?.ok !== true) continue
    for (const [j, { nid, position }] of (outcome.value as Appended).events.entries()) {
      byPosition.set(position, { nid, roomNid, position, event: events[j]!.event })
    }
  }
  const whole = entries.map(({ hasEvent, ...entry }) => ({
    ...entry,
    event: hasEvent ? (byPosition.get(entry.position) ?? null) : null,
  }))
  return { ...range, entries: whole }
}

/** Structured cloning would keep neither an error's class nor its members. */
export function sentError(error: unknown): SentError {
  if (error instanceof DuplicateTransactionError) {
    return { name: error.name, message: error.message, eventId: error.eventId }
  }
  return error instanceof StaleHeadError
    ? { name: error.name, message: error.message }
    : { name: 'Error', message: error instanceof Error ? error.message : String(error), ...detailsOf(error) }
}

export function receivedError({ name, message, eventId, stack, errcode }: SentError): Error {
  if (eventId !== undefined) return new DuplicateTransactionError(eventId)
  return name === 'StaleHeadError' ? new StaleHeadError(message) : new AppendThreadError(message, { stack, errcode })
}

/** Where it was thrown, and SQLite's own code: what tells a full disk from a defect. */
function detailsOf(error: unknown): Pick<SentError, 'stack' | 'errcode'> {
  if (!(error instanceof Error)) return {}
  const errcode = 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : undefined
  return { ...(error.stack !== undefined && { stack: error.stack }), ...(errcode !== undefined && { errcode }) }
}

/** An error of the other thread. */
class AppendThreadError extends Error {
  override readonly name = 'AppendThreadError'
  readonly errcode: number | undefined

  constructor(message: string, details: { stack?: string | undefined; errcode?: number | undefined }) {
    super(message)
    this.errcode = details.errcode
    if (details.stack !== undefined) this.stack = details.stack
  }
}

function sentEvent({ eventId, rules, json }: Event): SentEvent {
  return { eventId, version: rules.version, text: storedText(json) }
}

function receivedEvent({ eventId, version, text }: SentEvent): Event {
  const rules = ROOM_VERSIONS.get(version)
  if (rules === undefined) throw new Error(`No room version ${version}`)
  return viewEvent(parseStored(text, rules), rules, eventId)
}
