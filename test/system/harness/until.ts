import { setTimeout as sleep } from 'node:timers/promises'

const CHECK_MS = 25

/** Waits for a condition that another process brings about. Rejects, naming it, when that takes too long. */
export async function until<T>(what: string, check: () => T | Promise<T>, timeoutMs = 20_000): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const value = await check()
    if (value !== null && value !== undefined && value !== false) return value
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`)
    await sleep(CHECK_MS)
  }
}
