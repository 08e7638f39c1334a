/** What clients and other servers ask of this server's list of rooms alike ("Published room directory"). */
import { type Static, Type } from 'typebox'
import { tCount } from '#kit/schemas.ts'
import type { DirectoryPage, RoomDirectory } from '#services/rooms/directory/directory.ts'

/** The members of a request that name a page of the list. */
export const roomsPage = {
  limit: Type.Optional(tCount),
  since: Type.Optional(Type.String()),
}

/** Those that name a network of an application service. */
export const roomsNetwork = {
  include_all_networks: Type.Optional(Type.Boolean()),
  third_party_instance_id: Type.Optional(Type.String()),
}

/** The body of `queryPublicRooms`. */
export const tRoomsQuery = Type.Object({
  ...roomsPage,
  filter: Type.Optional(
    Type.Object({
      generic_search_term: Type.Optional(Type.Union([Type.String(), Type.Null()])),
      room_types: Type.Optional(Type.Union([Type.Array(Type.Union([Type.String(), Type.Null()])), Type.Null()])),
    }),
  ),
  ...roomsNetwork,
})

/** A page of this server's list. @throws MatrixError M_INVALID_PARAM for a `since` that isn't ours */
export async function publishedRooms(
  directory: RoomDirectory,
  { limit, since, filter, third_party_instance_id: network }: Static<typeof tRoomsQuery>,
): Promise<DirectoryPage> {
  // No network of an application service publishes rooms here.
  if (network !== undefined) return { chunk: [], total_room_count_estimate: 0 }
  const searchTerm = filter?.generic_search_term ?? undefined
  return directory.list({ limit, since, searchTerm, roomTypes: filter?.room_types ?? undefined })
}
