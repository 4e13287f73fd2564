const LOOK_AGAIN_AFTER_MS = 20

/** Waits until a condition holds. The test's own time-out ends what never comes true. */
export async function untilSo(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_AFTER_MS))
}
