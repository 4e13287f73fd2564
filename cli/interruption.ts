/** What Ctrl-C and SIGTERM abort, so that long work ends in order and can be resumed. */
export interface Interruption {
  readonly signal: AbortSignal
  /** Must be called when the work is over: until then the process does not end by these signals. */
  stop(): void
}

/** Aborts at the first SIGINT or SIGTERM. The next one ends the process. */
export function listenForInterruption(): Interruption {
  const controller = new AbortController()
  const abort = () => controller.abort()
  process.once('SIGINT', abort)
  process.once('SIGTERM', abort)
  return {
    signal: controller.signal,
    stop: () => {
      process.removeListener('SIGINT', abort)
      process.removeListener('SIGTERM', abort)
    },
  }
}
