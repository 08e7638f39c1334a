import type { UiaStage } from '#services/accounts/uia/stage.ts'

/** `m.login.dummy`: "always succeeds", for flows that would otherwise be empty. */
export const dummyStage: UiaStage = {
  type: 'm.login.dummy',
  params: () => null,
  attempt: async () => ({ completed: true, found: {} }),
}
