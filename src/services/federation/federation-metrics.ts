/** What speaking with other servers shows of itself in `GET /metrics`. */
import type { Ingest } from '#services/federation/inbound/ingest.ts'
import type { Transactions } from '#services/federation/inbound/transactions.ts'
import type { FederationSender, SenderNumbers } from '#services/federation/outbound/federation-sender.ts'
import type { Meters } from '#services/parts/part.ts'

export function senderMetrics(metrics: Meters, sender: FederationSender): void {
  const gauge = (name: keyof SenderNumbers, suffix: string, help: string) =>
    metrics.gauge(`hearth_federation_${suffix}`, help, () => sender.numbers()[name])
  gauge('destinations', 'destinations', 'Other servers that there is something to send to')
  gauge('behind', 'destinations_behind', "Of them, those that don't keep up or can't be reached")
  gauge('queuedEvents', 'queued_events', 'Events that wait in memory, summed over the servers that they are for')
  gauge('underWay', 'transactions_under_way', 'Transactions on their way to other servers')
  gauge('waiting', 'transactions_waiting', 'Servers that wait for their turn')
  gauge('position', 'sender_position', 'The stream position up to which events have been handed out to servers')
}

export function inboundMetrics(metrics: Meters, inbound: Ingest, transactions: Transactions): void {
  const outcomes = () => {
    const { accepted, softFailed, rejected, dropped } = inbound.counters
    return { accepted, soft_failed: softFailed, rejected, dropped }
  }
  metrics.counters('hearth_federation_events_total', 'Events of other servers', 'outcome', outcomes)
  const edus = () => transactions.eduCounts.byType
  metrics.counters('hearth_federation_edus_total', 'EDUs of other servers', 'type', edus)
}
