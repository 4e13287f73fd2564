/**
 * Resolves with the first SIGTERM or SIGINT. Later ones are ignored: a terminal sends Ctrl-C both to npm and to this process,
 * npm forwards it, and the second signal must not interrupt a stop that is in progress.
 */
export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.on('SIGTERM', resolve)
    process.on('SIGINT', resolve)
  })
}
