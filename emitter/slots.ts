const DAY_MS = 86_400_000

/**
 * A slot is the part of a UTC day in which one sample or one sum falls. Slots begin at midnight, so that none belongs to two days, and are the
 * same in every process.
 */
export function slotStartMs(nowMs: number, everyMs: number): number {
  const dayMs = Math.floor(nowMs / DAY_MS) * DAY_MS
  return dayMs + Math.floor((nowMs - dayMs) / everyMs) * everyMs
}

export function nextSlotMs(nowMs: number, everyMs: number): number {
  const midnightMs = (Math.floor(nowMs / DAY_MS) + 1) * DAY_MS
  return Math.min(slotStartMs(nowMs, everyMs) + everyMs, midnightMs)
}

/**
 * The id of a sample. With the project, which is the other half of an event's identity, it says what was sampled and when: of two processes
 * that sample the same slot only one is counted.
 */
export function slotEventId(metric: string, everyMs: number, startMs: number): string {
  return `gauge/${metric}/${everyMs}/${new Date(startMs).toISOString()}`
}
