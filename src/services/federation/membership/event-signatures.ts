/** Checks whether events that come with memberships are signed by those who made them. */
import type { Event } from '#core/event/event.ts'
import { requiredSignatures, type SignatureVerdict } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { invalidParam } from '#core/matrix-error.ts'
import type { StrippedEntry } from '#services/federation/membership/stripped-state.ts'

/** Checks a server's signatures of an event, with keys that were good when it was made. */
export type VerifyEvent = (event: Event, server: ServerName) => Promise<SignatureVerdict>

export class EventSignatures {
  readonly #verify: VerifyEvent

  constructor(verify: VerifyEvent) {
    this.#verify = verify
  }

  /**
   * Checks the signature of the server that sent the event, whatever the event, and those that the rules ask for.
   *
   * @throws M_INVALID_PARAM, which the specification asks for where an event "fails a signature check"
   */
  async check(event: Event, origin: ServerName): Promise<void> {
    for (const server of new Set([origin, ...requiredSignatures(event)])) {
      await this.checkSignedBy(event, server)
    }
  }

  /** @throws M_INVALID_PARAM */
  async checkSignedBy(event: Event, server: ServerName): Promise<void> {
    const verdict = await this.#verify(event, server)
    if (verdict !== 'valid') throw invalidParam(`${server} did not validly sign the event (${verdict})`)
  }

  /**
   * What an entry of stripped state is worth. Those that aren't whole events, from older servers, can't be checked. The
   * create event of a room that is named after it is what it is, whether its signature can be checked or not.
   */
  async ofStripped({ event }: StrippedEntry): Promise<'usable' | 'unproven' | 'forged'> {
    if (event === null) return 'usable'
    for (const server of requiredSignatures(event)) {
      const verdict = await this.#verify(event, server)
      if (verdict === 'invalid') return 'forged'
      const isProven = event.type === 'm.room.create' && event.rules.roomIdIsCreateHash
      if (verdict !== 'valid' && !isProven) return 'unproven'
    }
    return 'usable'
  }
}
