const POLL_MS = 20

/** Waits until the condition is true. If it never is, the test fails by its own time-out. */
export async function untilSo(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
}
