/** The registry of prom-client, as wide as it is needed. */
export interface RenderedMetrics {
  readonly contentType: string
  metrics(): Promise<string>
}

/** How long a rendered text is given to further callers. */
const SHARED_FOR_MS = 1_000

/**
 * The metrics as Prometheus reads them, rendered at most once a second: rendering takes milliseconds of the process that counts
 * events, so the number of callers must not matter.
 */
export function shareText(register: RenderedMetrics, now: () => number): () => Promise<string> {
  let rendered: { readonly text: Promise<string>; readonly untilMs: number } | undefined
  return () => {
    const nowMs = now()
    // A clock that was set back must not keep a text for longer.
    if (rendered === undefined || nowMs >= rendered.untilMs || nowMs < rendered.untilMs - SHARED_FOR_MS)
      rendered = { text: register.metrics(), untilMs: nowMs + SHARED_FOR_MS }
    return rendered.text
  }
}
