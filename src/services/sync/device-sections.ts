import { allDeviceLists, deviceListChanges } from '#services/e2ee/device-list-changes.ts'
import { oneTimeKeyCounts } from '#services/e2ee/one-time-keys.ts'
import { readInbox } from '#services/e2ee/to-device-inbox.ts'
import type { SyncAnswer } from '#services/sync/sync-answer.ts'
import type { SyncRequest, SyncResponse } from '#services/sync/sync-types.ts'

type Sections = Pick<
  SyncResponse,
  'to_device' | 'device_lists' | 'device_one_time_keys_count' | 'device_unused_fallback_key_types'
>

/**
 * What end-to-end encryption needs of a sync. `toDeviceEnd` belongs into the next token: the position up to which
 * messages are in the answer, where that isn't all of them.
 *
 * @param asked the request as it came, whose token may be one that the answer can't go by
 */
export async function deviceSections(
  answer: SyncAnswer,
  asked: SyncRequest,
): Promise<{ sections: Sections; toDeviceEnd: number | null }> {
  const { tx, from, to, request } = answer
  const { viewer } = request
  const { userNid: user, deviceId } = viewer
  const inbox = await readInbox(tx, viewer, to)
  return {
    sections: {
      to_device: { events: inbox.events },
      device_lists: await deviceLists(),
      device_one_time_keys_count: deviceId === null ? {} : await oneTimeKeyCounts(tx, user, deviceId),
      device_unused_fallback_key_types:
        deviceId === null ? [] : await tx.oneTimeKeys.unusedFallbackTypes(user, deviceId),
    },
    toDeviceEnd: inbox.end,
  }

  /** "The server need only populate this property for an incremental /sync." */
  async function deviceLists(): Promise<Sections['device_lists']> {
    if (request.since !== null) return deviceListChanges(tx, { user, from, to })
    // The client keeps lists, and what it was told since it got that token is unknown.
    return { changed: asked.since === null ? [] : await allDeviceLists(tx, user), left: [] }
  }
}
