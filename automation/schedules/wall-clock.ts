/** A zone of the IANA database as its clocks show it. Wall times are written as ms since 1970 as if they were in UTC. */
export interface WallClock {
  /** What the clocks show at an instant, to the second. */
  wallOf(instantMs: number): number
  /**
   * The instant at which the clocks show a wall time. A wall time that is skipped (a gap) leads to the first instant after the gap; one
   * that is shown twice leads to the first of the two. So later wall times never lead to earlier instants.
   */
  instantOf(wallMs: number): number
}

/** Undefined when the text is no zone that this program knows. */
export function wallClockOf(zone: string): WallClock | undefined {
  // Node 22 also accepts offsets such as "+01:00", which have no rules for daylight saving.
  if (!ZONE.test(zone)) return undefined
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', { ...SHOWN, timeZone: zone })
  } catch {
    return undefined
  }
  const wallOf = (instantMs: number) => wallFrom(format, instantMs)
  return { wallOf, instantOf: (wallMs) => instantFrom(wallOf, wallMs) }
}

const ZONE = /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/

const SHOWN = {
  hourCycle: 'h23',
  year: 'numeric',
  month: 'numeric',
  day: 'numeric',
  hour: 'numeric',
  minute: 'numeric',
  second: 'numeric',
} as const satisfies Intl.DateTimeFormatOptions

function wallFrom(format: Intl.DateTimeFormat, instantMs: number): number {
  const shown = { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0 }
  for (const { type, value } of format.formatToParts(instantMs)) if (type in shown) shown[type as keyof typeof shown] = Number(value)
  return Date.UTC(shown.year, shown.month - 1, shown.day, shown.hour, shown.minute, shown.second)
}

function instantFrom(wallOf: WallClock['wallOf'], wallMs: number): number {
  // The offsets before and after any change of the clocks that can concern this wall time: no offset exceeds 14 hours, no change 24.
  const offsets = [wallMs - AROUND_MS, wallMs + AROUND_MS].map((instantMs) => wallOf(instantMs) - instantMs)
  const instants = offsets.map((offsetMs) => wallMs - offsetMs).sort((one, other) => one - other)
  const shown = instants.find((instantMs) => wallOf(instantMs) === wallMs)
  if (shown !== undefined) return shown
  // In a gap the clocks jump over the wall time between the two instants: find the second at which they do.
  let [before = 0, after = 0] = instants
  while (after - before > MS_PER_SECOND) {
    const middle = before + Math.floor((after - before) / 2 / MS_PER_SECOND) * MS_PER_SECOND
    if (wallOf(middle) < wallMs) before = middle
    else after = middle
  }
  return after
}

const MS_PER_SECOND = 1_000
const AROUND_MS = 38 * 3_600_000
