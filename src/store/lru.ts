import { LRUCache } from 'lru-cache'

/**
 * A cache of at most `max` entries, the least recently used ones dropped first. Unlike the library's own `max`, it takes
 * room for entries as they come, not for all of them beforehand.
 */
export function lru<K extends {}, V extends {}>(max: number): LRUCache<K, V> {
  return new LRUCache<K, V>({ maxSize: max, sizeCalculation: () => 1 })
}
