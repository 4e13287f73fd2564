const PAUSE_MS_MIN = 20
const PAUSE_MS_MAX = 500
/** A pause is this many times as long as the check before it, so that a test that waits leaves the machine to what it waits for. */
const PAUSE_PER_CHECK = 4

/** Waits until the condition is true. If it never is, the test fails by its own time-out. */
export async function untilSo(condition: () => Promise<boolean>): Promise<void> {
  for (;;) {
    const startedMs = performance.now()
    if (await condition()) return
    const pauseMs = Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, PAUSE_PER_CHECK * (performance.now() - startedMs)))
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}
