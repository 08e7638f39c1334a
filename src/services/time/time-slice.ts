import { beginSlice, isSliceOver, nextSlice } from '#store/time-slices.ts'

/** For loops that may take long: `await timeSlice.yieldIfDue()` in each round yields to the event loop when its slice is used up. */
export class TimeSlice {
  constructor() {
    beginSlice()
  }

  async yieldIfDue(): Promise<void> {
    if (isSliceOver()) await nextSlice()
  }
}
