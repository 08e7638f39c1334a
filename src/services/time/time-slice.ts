import { beginSlice, isSliceOver, nextSlice } from '#store/time-slices.ts'

/** Lets long work give way: `await timeSlice.yieldIfDue()` in each round of a loop returns to the event loop when it is time. */
export class TimeSlice {
  constructor() {
    beginSlice()
  }

  async yieldIfDue(): Promise<void> {
    if (isSliceOver()) await nextSlice()
  }
}
