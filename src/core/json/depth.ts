import type { JsonValue } from '#core/json/value.ts'

/** Whether no more than `depthMax` arrays and objects stand in each other. Works without recursion. */
export function isWithinDepth(value: JsonValue, depthMax: number): boolean {
  const stack: { readonly value: JsonValue; readonly depth: number }[] = [{ value, depth: 1 }]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { value, depth } = next
    if (typeof value !== 'object' || value === null || JSON.isRawJSON(value)) continue
    if (depth > depthMax) return false
    for (const inner of Object.values(value)) stack.push({ value: inner, depth: depth + 1 })
  }
  return true
}
