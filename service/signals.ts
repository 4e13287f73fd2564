/**
 * Resolves with the first SIGTERM or SIGINT. Later ones are ignored: a terminal sends Ctrl-C to npm and to this process,
 * npm passes it on, and a second one must not end a stop that is under way.
 */
export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.on('SIGTERM', resolve)
    process.on('SIGINT', resolve)
  })
}
