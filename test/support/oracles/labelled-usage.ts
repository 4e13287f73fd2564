import type { TestEvent } from '../clients/client.ts'
import { LABELLED_METRICS } from './defined-metrics.ts'
import { Oracle } from './oracle.ts'

interface Grouped {
  readonly metric: string
  readonly adds_up: boolean
  readonly truncated: boolean
  readonly values: readonly { readonly labels: Readonly<Record<string, string | null>>; readonly value: string }[]
}

/** Compares the groups of an answer, of a project or of several together, with the oracle: each group is the usage of its own events alone. */
export function labelsFromOracle(oracle: Oracle, projectIds: readonly string[], keys: readonly string[], answer: AnswerWithGroups): string[] {
  const [from, to] = [answer.period.start.slice(0, 10), answer.period.end.slice(0, 10)]
  return LABELLED_METRICS.flatMap((metric) => {
    const expected = expectedGroups(oracle, { projectIds, from, to, metric, keys })
    const found = answer.groups.find((each) => each.metric === metric)
    const actual = (found?.values ?? []).map(({ labels, value }) => `${keys.map((key) => labels[key] ?? '').join('/')} ${value}`)
    return actual.join() === expected.join() && found?.truncated !== true
      ? []
      : [`${metric} by ${keys.join()} of ${projectIds.join()}, ${from} to ${to}: ${actual.join()} instead of ${expected.join()}`]
  })
}

interface AnswerWithGroups {
  readonly period: { readonly start: string; readonly end: string }
  readonly groups: readonly Grouped[]
}

interface Scope {
  readonly projectIds: readonly string[]
  readonly from: string
  readonly to: string
  readonly metric: string
  readonly keys: readonly string[]
}

function expectedGroups(oracle: Oracle, { projectIds, from, to, metric, keys }: Scope): string[] {
  const groups = new Map<string, { readonly labels: readonly string[]; readonly events: TestEvent[] }>()
  for (const event of oracle.effective()) {
    const day = new Date(event.timestamp).toISOString().slice(0, 10)
    if (event.metric !== metric || !projectIds.includes(event.project_id) || day < from || day > to) continue
    const labels = keys.map((key) => event.labels?.[key] ?? '')
    const group = groups.get(labels.join('/')) ?? { labels, events: [] }
    group.events.push(event)
    groups.set(labels.join('/'), group)
  }
  const values = [...groups.values()].map(({ labels, events }) => {
    const alone = new Oracle()
    alone.add(events)
    return { labels, value: alone.partnership(projectIds, from, to, metric) }
  })
  return values.sort(byValueAndLabels).map(({ labels, value }) => `${labels.join('/')} ${value}`)
}

interface Group {
  readonly labels: readonly string[]
  readonly value: string
}

/** The greatest first, on ties by the label of the first key, then of the next. */
function byValueAndLabels(one: Group, other: Group): number {
  const more = billionths(other.value) - billionths(one.value)
  if (more !== 0n) return more > 0n ? 1 : -1
  const differing = one.labels.findIndex((label, index) => label !== other.labels[index])
  return (one.labels[differing] ?? '') < (other.labels[differing] ?? '') ? -1 : 1
}

function billionths(value: string): bigint {
  const [integer = '0', fraction = ''] = value.split('.')
  return BigInt(integer + fraction.padEnd(9, '0'))
}
