export interface DestinationsTables {
  failing_destinations: {
    server: string
    failing_since_ts: number
    failures: number
    next_try_ts: number
  }
}
