/** One of the two servers while a script is played: the clients' tokens, and the ids that it made up. */
import { Api } from '#test/system/harness/api.ts'
import { Normaliser, withoutEmpty } from '#test/twin/normalise.ts'
import { type BodyMaker, type Call, resolveJson, resolveText } from '#test/twin/script.ts'

export type Outcome = {
  readonly status: number
  /** As it came. */
  readonly raw: unknown
  /** What is promised about it: ids as placeholders, times and tokens as kinds. */
  readonly body: unknown
  readonly contentType: string
}

const WAIT_MS_MAX = 30_000

export class Side {
  readonly url: string
  readonly normaliser = new Normaliser()
  readonly #values = new Map<string, string>()

  constructor(url: string) {
    this.url = url
  }

  bind(name: string, value: string): void {
    this.#values.set(name, value)
    this.normaliser.know(value, `<${name}>`)
  }

  /** Asks. @returns null where the script lacks what the request needs: an earlier answer didn't give it. */
  async play(call: Call): Promise<Outcome | null> {
    const request = this.#request(call)
    if (request === null) return null
    const answer = await new Api(this.url).request(call.method, request.path, {
      headers: request.headers,
      signal: AbortSignal.timeout(WAIT_MS_MAX),
      ...(request.raw === undefined ? {} : { raw: request.raw }),
    })
    const body = this.normaliser.normalise(answer.body, call.unordered)
    return {
      status: answer.status,
      raw: answer.body,
      body: call.sparse ? withoutEmpty(body) : body,
      contentType: answer.headers.get('content-type') ?? '',
    }
  }

  #request(call: Call): { path: string; headers: Record<string, string>; raw?: string } | null {
    const params = new Map<string, string>()
    for (const [name, text] of Object.entries(call.params)) {
      const value = resolveText(text, this.#values)
      if (value === null) return null
      params.set(name, encodeURIComponent(value))
    }
    const path = call.path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => params.get(name) ?? '')
    const query = new URLSearchParams()
    for (const [name, given] of Object.entries(call.query)) {
      const value = resolveText(String(given), this.#values)
      if (value !== null) query.set(name, value)
    }
    const token = call.as === null ? null : this.#values.get(`token ${call.as}`)
    if (token === undefined) return null
    const raw = call.raw ?? this.#body(call)
    if (raw === null) return null
    const headers: Record<string, string> = {}
    if (token !== null) headers['authorization'] = `Bearer ${token}`
    if (raw !== undefined) headers['content-type'] = 'application/json'
    return { path: query.size === 0 ? path : `${path}?${query}`, headers, ...(raw === undefined ? {} : { raw }) }
  }

  #body({ body }: Call): string | null | undefined {
    if (body === undefined) return undefined
    if (typeof body !== 'function') {
      const { whole, json } = resolveJson(body, this.#values)
      return whole ? JSON.stringify(json) : null
    }
    let isWhole = true
    const made = (body as BodyMaker)((text) => {
      const value = resolveText(text, this.#values)
      if (value === null) isWhole = false
      return value ?? text
    })
    return isWhole ? JSON.stringify(made) : null
  }

  /** Takes from an answer what later requests build on. */
  accept(call: Call, outcome: Outcome): void {
    if (outcome.status >= 300) return
    for (const [name, at] of Object.entries(call.binds)) {
      let value: unknown = outcome.raw
      for (const key of at) value = (value as Record<string, unknown> | undefined)?.[key]
      if (typeof value === 'string') this.bind(name, value)
    }
  }
}
