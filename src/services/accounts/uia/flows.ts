/** The stages of a flow, in the order in which they must be completed. */
export type UiaFlow = readonly string[]

/** What each operation asks for: the client completes any one of its flows. */
export const UIA_FLOWS = {
  register: [['m.login.dummy']],
  changePassword: [['m.login.password']],
  deactivateAccount: [['m.login.password']],
  deleteDevice: [['m.login.password']],
  deleteDevices: [['m.login.password']],
  uploadCrossSigningKeys: [['m.login.password']],
} as const satisfies Readonly<Record<string, readonly UiaFlow[]>>

export type UiaOperation = keyof typeof UIA_FLOWS
