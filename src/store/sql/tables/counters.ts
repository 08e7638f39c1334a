import type { Counter } from '#store/sql/counters.ts'

export interface CountersTables {
  counters: { id: number } & Record<Counter, number>
  /** What the database says about itself: `schema_version`. */
  meta: { key: string; value: string }
}
