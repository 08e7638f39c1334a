import { setImmediate as nextSlice } from 'node:timers/promises'
import type { Timers } from '#services/time/timers.ts'

/** Turns of the event loop without news after which all that could be done without a timer is done. */
const QUIET_TURNS = 6

type Alarm = { readonly at: number; readonly order: number; readonly fn: () => void }

/** A clock that moves only when everybody waits, and then to the next alarm at once. */
export class VirtualTime {
  now: number
  #alarms: Alarm[] = []
  #order = 0
  #news = 0

  constructor(start: number) {
    this.now = start
  }

  /** Something happened that may lead to more: whoever does work without alarms says so. */
  tell(): void {
    this.#news += 1
  }

  /** Alarms that can be silenced all at once, as when a process dies. */
  timers(): Timers & { silence(): void } {
    let isSilent = false
    return {
      after: (ms, fn) => {
        const alarm = this.#set(ms, () => {
          if (!isSilent) fn()
        })
        return () => {
          this.#alarms = this.#alarms.filter((one) => one !== alarm)
        }
      },
      silence: () => {
        isSilent = true
      },
    }
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#set(ms, resolve))
  }

  /** Lets everything happen that needs no more time. */
  async settle(): Promise<void> {
    let quiet = 0
    while (quiet < QUIET_TURNS) {
      const before = this.#news
      await nextSlice()
      quiet = this.#news === before ? quiet + 1 : 0
    }
  }

  /** Lets so many milliseconds pass, alarm by alarm. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms
    for (;;) {
      await this.settle()
      const next = this.#next()
      if (next === undefined || next.at > end) break
      this.#alarms = this.#alarms.filter((one) => one !== next)
      this.now = Math.max(this.now, next.at)
      next.fn()
    }
    this.now = end
  }

  #set(ms: number, fn: () => void): Alarm {
    const alarm = { at: this.now + Math.max(0, ms), order: this.#order++, fn }
    this.#alarms.push(alarm)
    this.tell()
    return alarm
  }

  #next(): Alarm | undefined {
    let first: Alarm | undefined
    for (const alarm of this.#alarms) {
      if (first === undefined || alarm.at < first.at || (alarm.at === first.at && alarm.order < first.order)) {
        first = alarm
      }
    }
    return first
  }
}
