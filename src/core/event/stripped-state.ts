/**
 * The state that somebody who is invited or knocks may know of a room, besides their own membership: "the following state
 * events SHOULD be represented as stripped state events when possible", the create event always.
 */
export const STRIPPED_STATE_TYPES = [
  'm.room.create',
  'm.room.name',
  'm.room.avatar',
  'm.room.topic',
  'm.room.join_rules',
  'm.room.canonical_alias',
  'm.room.encryption',
] as const
