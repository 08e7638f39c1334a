import type { DomainTables } from '#store/migrations/ddl.ts'

export const dehydratedDevicesTables: DomainTables = (d) => [
  `CREATE TABLE dehydrated_devices (
    user_nid ${d.key},
    device_id ${d.text} NOT NULL,
    data ${d.text} NOT NULL,
    FOREIGN KEY (user_nid, device_id) REFERENCES devices (user_nid, device_id) ON DELETE CASCADE
  )${d.rows}`,
]
