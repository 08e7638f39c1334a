/** Checks signatures of events in batches: keys are gathered once, arithmetic is done on other threads. */
import { ed25519VerifyAside } from '#core/crypto.ts'
import type { Event } from '#core/event/event.ts'
import { essentialText } from '#core/event/hash.ts'
import { requiredSignatures, type SignatureVerdict, signatureChecks, signingKeyIds } from '#core/event/sign.ts'
import type { ServerName } from '#core/ids.ts'
import { member } from '#core/json/value.ts'
import { inParallel } from '#services/federation/keys/in-parallel.ts'
import type { GatheredKeys, GatherOptions, KeyRing, KeyWant } from '#services/federation/keys/key-ring.ts'
import { TimeSlice } from '#services/time/time-slice.ts'

/** Checks waiting for the threads at once. */
const CHECKS_AT_ONCE = 32

/** The first required signature of an event that doesn't hold. */
export type SignatureFault = {
  readonly server: ServerName
  /** `unknown key` may change when the key can be had; the others never. */
  readonly verdict: Exclude<SignatureVerdict, 'valid'>
}

/** Tells whether a signature of some bytes is a key's: `ed25519VerifyAside`. */
export type CheckSignature = typeof ed25519VerifyAside

export class EventVerifier {
  readonly #keyRing: Pick<KeyRing, 'gather'>
  readonly #check: CheckSignature

  constructor(keyRing: Pick<KeyRing, 'gather'>, check: CheckSignature = ed25519VerifyAside) {
    this.#keyRing = keyRing
    this.#check = check
  }

  /** Checks a server's signatures of an event, whether the rules ask for them or not. */
  async verify(event: Event, server: ServerName, options: GatherOptions = {}): Promise<SignatureVerdict> {
    const keys = await this.#keyRing.gather([keyWant(event, server)], options)
    return this.#verifyBy(keys, event, server)
  }

  /**
   * Checks every signature that events need ("Validating hashes and signatures on received events"). The answers are in
   * the order of the events; null for one that is signed as it must be.
   */
  async verifyAll(events: readonly Event[], options: GatherOptions = {}): Promise<(SignatureFault | null)[]> {
    const timeSlice = new TimeSlice()
    const wants: KeyWant[] = []
    for (const event of events) {
      for (const server of requiredSignatures(event)) wants.push(keyWant(event, server))
      await timeSlice.yieldIfDue()
    }
    const keys = await this.#keyRing.gather(wants, options)
    const faults = new Array<SignatureFault | null>(events.length).fill(null)
    await inParallel(events.entries(), CHECKS_AT_ONCE, async ([index, event]) => {
      for (const server of requiredSignatures(event)) {
        const verdict = await this.#verifyBy(keys, event, server)
        if (verdict === 'valid') continue
        faults[index] = { server, verdict }
        return
      }
      await timeSlice.yieldIfDue()
    })
    return faults
  }

  async #verifyBy(keys: GatheredKeys, event: Event, server: ServerName): Promise<SignatureVerdict> {
    const { json, rules, originServerTs } = event
    const lookup = keys.eventKeys(server, rules.enforceKeyValidity ? originServerTs : null)
    const checks = signatureChecks(member(json, 'signatures'), server, lookup)
    if (typeof checks === 'string') return checks
    const text = essentialText(json, rules)
    for (const { signature, key } of checks) {
      const { promise, resolve } = Promise.withResolvers<boolean>()
      this.#check(text, signature, key, resolve)
      if (!(await promise)) return 'invalid'
    }
    return 'valid'
  }
}

function keyWant({ json, originServerTs, rules }: Event, server: ServerName): KeyWant {
  return { server, keyIds: signingKeyIds(json, server), atTs: rules.enforceKeyValidity ? originServerTs : null }
}
