/** A kill falls on a moment, a zombie sleeps for a while, a load has a pace: none of these is a condition to wait for. */
export function afterMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

export interface WaitOptions {
  readonly what: string
  readonly secondsMax: number
  /** What is still missing, in words; undefined when there is nothing left to wait for. A failed look counts as missing. */
  look(): Promise<string | undefined>
}

/** Waits for a condition, saying every few seconds what is missing. Throws when the limit is over. */
export async function waitForAll({ what, secondsMax, look }: WaitOptions): Promise<void> {
  const startedMs = Date.now()
  let saidMs = startedMs
  for (;;) {
    const missing = await look().catch((error: unknown) => String(error))
    if (missing === undefined) return
    const seconds = Math.round((Date.now() - startedMs) / 1000)
    if (seconds >= secondsMax) throw new Error(`Waited ${seconds} s for ${what}; still missing: ${missing}`)
    if (Date.now() - saidMs >= SAY_EVERY_MS) {
      console.log(`  ${seconds} of at most ${secondsMax} s: waiting for ${what}: ${missing}`)
      saidMs = Date.now()
    }
    await afterMs(LOOK_AGAIN_AFTER_MS)
  }
}

const SAY_EVERY_MS = 5_000
const LOOK_AGAIN_AFTER_MS = 500
