import type { Finding } from './finding.ts'
import type { Source } from './read-report.ts'

/** Whether the events of the source that this process is configured with are the ones that count. Nothing while it is not known. */
export function findInSource(state: Source | undefined): Finding[] {
  if (state === undefined || state.source === null) return []
  if (!state.in_force)
    return [
      {
        ...{ tone: 'bad', what: 'Nothing is counted: a switch of the source was interrupted.', why: `The switch to ${state.source} has begun and not ended.` },
        next: 'Finish it with: meterline log source use.',
      },
    ]
  if (state.source === state.configured) return []
  return [
    {
      ...{ tone: 'bad', what: `The events of ${state.configured}, which this process is configured with, are not counted.` },
      ...{ why: `The source in force is ${state.source}.`, next: 'Correct the configuration, or switch with: meterline log source use.' },
    },
  ]
}
