import { groupedBy } from '../../metering/grouped-by.ts'
import { METRIC_NAMES } from '../../metering/metrics.ts'
import type { Answer } from '../support/clients/client.ts'
import { billionths, decimalOf } from './billionths.ts'
import { METRICS_OF_STATES } from './chaos-metrics.ts'
import { dayOf } from './day-of.ts'
import { partnershipValue, partnershipValueOfStates } from './expected-values.ts'
import type { CountedEvent } from './folded-project.ts'
import { totalsOf } from './stored.ts'

export interface CompareStatementsOptions {
  /** month → the answer to its closing. The last one is closed after the last event. */
  readonly closed: ReadonlyMap<string, Answer>
  readonly projects: readonly string[]
  /** The events that count. */
  readonly expected: readonly CountedEvent[]
}

interface Line {
  readonly metric: string
  readonly value: string
  readonly for_month?: string
}

/** Whatever arrived before or after a closing: a month's statement and its later adjustments together bill the events that count. */
export function compareStatements({ closed, projects, expected }: CompareStatementsOptions): string[] {
  const adjustments = [...closed.values()].flatMap(({ body }) => body.adjustments as Line[])
  return [...closed].flatMap(([month, { body }]) => {
    const right = valuesOf(
      expected.filter((event) => dayOf(event).startsWith(month) && projects.includes(event.projectId)),
      projects,
    )
    return [...right].flatMap(([metric, value]) => {
      const [stated, lines] = [sumOf(body.totals, metric), sumOf(body.projects, metric)]
      const adjusted = sumOf(
        adjustments.filter(({ for_month }) => for_month === month),
        metric,
      )
      return [
        ...(stated === lines ? [] : [`statements: ${month} ${metric} is ${decimalOf(stated)}, and its lines add up to ${decimalOf(lines)}`]),
        ...(stated + adjusted === value
          ? []
          : [`statements: ${month} ${metric} is ${decimalOf(stated)}, adjusted by ${decimalOf(adjusted)}, instead of ${decimalOf(value)}`]),
      ]
    })
  })
}

/** metric → the value of the partnership. */
function valuesOf(events: readonly CountedEvent[], projects: readonly string[]): Map<string, bigint> {
  const totals = totalsOf(events)
  const ofProjects = groupedBy(events, ({ projectId }) => projectId)
  return new Map([
    ...METRIC_NAMES.map((metric) => [metric, partnershipValue(metric, totals, projects)] as const),
    ...METRICS_OF_STATES.map((metric) => [metric, partnershipValueOfStates(metric, ofProjects)] as const),
  ])
}

function sumOf(lines: readonly Line[], metric: string): bigint {
  return lines.reduce((sum, line) => (line.metric === metric ? sum + billionths(line.value) : sum), 0n)
}
