import { type Api, type Body, type Event, room } from '#test/system/harness/api.ts'

/**
 * Follows rooms by /sync and keeps every event in the order in which it came. Where an answer is limited, the gap is
 * filled from /messages, as clients do when somebody scrolls up.
 */
export class TimelineReader {
  readonly timelines = new Map<string, Event[]>()
  /** How many answers were limited. */
  gaps = 0
  #since: string
  readonly #api: Api
  readonly #filter: string

  private constructor(api: Api, filter: string, since: string) {
    this.#api = api
    this.#filter = filter
    this.#since = since
  }

  /** Begins after what there is now. */
  static async begin(
    api: Api,
    limit: number,
    eventFormat: 'client' | 'federation' = 'client',
  ): Promise<TimelineReader> {
    const filter = JSON.stringify({ room: { timeline: { limit } }, event_format: eventFormat })
    return new TimelineReader(api, filter, (await api.sync({ filter })).next_batch)
  }

  get since(): string {
    return this.#since
  }

  /** One sync; tells how many events it brought. */
  async read(timeoutMs = 0): Promise<number> {
    const answer = await this.#api.sync({ filter: this.#filter, since: this.#since, timeout: timeoutMs })
    let count = 0
    for (const [roomId, joined] of Object.entries<Body>(answer.rooms?.join ?? {})) {
      const { events, limited, prev_batch } = joined.timeline
      const missed = limited === true ? await this.#between(roomId, prev_batch) : []
      const timeline = this.timelines.get(roomId) ?? []
      timeline.push(...missed, ...events)
      this.timelines.set(roomId, timeline)
      count += missed.length + events.length
    }
    this.#since = answer.next_batch
    return count
  }

  async #between(roomId: string, from: string): Promise<Event[]> {
    this.gaps += 1
    const newestFirst: Event[] = []
    let at: string | undefined = from
    while (at !== undefined) {
      const query = { dir: 'b', from: at, to: this.#since, limit: 100, filter: undefined }
      const page: Body = await this.#api.get(room(roomId, 'messages'), query)
      newestFirst.push(...page.chunk)
      at = page.end
    }
    return newestFirst.reverse()
  }
}
