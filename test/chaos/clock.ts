/** Waits for a time. Kills happen at a moment, a zombie sleeps for a while and a load has a rate, so there is no condition to wait for. */
export function afterMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

export interface WaitOptions {
  readonly what: string
  readonly secondsMax: number
  /** Describes what is still missing; undefined when nothing is. If it throws, the condition is not met yet. */
  findMissing(): Promise<string | undefined>
}

/** Waits until nothing is missing and reports every few seconds what is. Throws after the limit. */
export async function waitForAll({ what, secondsMax, findMissing }: WaitOptions): Promise<void> {
  const startedMs = Date.now()
  let reportedMs = startedMs
  for (;;) {
    const missing = await findMissing().catch((error: unknown) => String(error))
    if (missing === undefined) return
    const seconds = Math.round((Date.now() - startedMs) / 1000)
    if (seconds >= secondsMax) throw new Error(`Waited ${seconds} s for ${what}; still missing: ${missing}`)
    if (Date.now() - reportedMs >= REPORT_EVERY_MS) {
      console.log(`  ${seconds} of at most ${secondsMax} s: waiting for ${what}: ${missing}`)
      reportedMs = Date.now()
    }
    await afterMs(CHECK_EVERY_MS)
  }
}

const REPORT_EVERY_MS = 5_000
const CHECK_EVERY_MS = 500
