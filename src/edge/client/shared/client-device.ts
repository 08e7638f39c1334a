import type { Device } from '#services/accounts/devices.ts'

/** A device as its owner sees it (definition Device). */
export function clientDevice({ deviceId, displayName, lastSeenIp, lastSeenTs }: Device): object {
  return {
    device_id: deviceId,
    ...(displayName !== null && { display_name: displayName }),
    ...(lastSeenIp !== null && { last_seen_ip: lastSeenIp }),
    ...(lastSeenTs !== null && { last_seen_ts: lastSeenTs }),
  }
}
