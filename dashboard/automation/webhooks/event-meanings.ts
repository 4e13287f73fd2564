import type { EventType } from './call-webhooks.ts'

interface Meaning {
  readonly meaning: string
  /** About no partner, so a partner cannot choose it. */
  readonly isForOperators?: true
}

export const EVENT_MEANINGS: Readonly<Record<EventType, Meaning>> = {
  'usage.threshold_reached': { meaning: 'Usage of a month has reached a level of one of your thresholds.' },
  'usage.threshold_resolved': { meaning: 'It is below that level again, after a repair.' },
  'usage.spike': { meaning: 'A complete day of a project is unlike its weekday, up or down.' },
  'statement.closed': { meaning: 'A month is closed.' },
  'adjustment.billed': { meaning: 'A closed month has corrections or manual lines.' },
  'project.silent': { meaning: 'A project that reported every day has stopped.' },
  'project.unregistered': { meaning: 'A project has usage, and is not registered.', isForOperators: true },
  'log.incident': { meaning: 'An event log is stopped and needs an operator.', isForOperators: true },
}
