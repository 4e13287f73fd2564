import { useState } from 'preact/hooks'
import type { LIST_METRICS, LIST_OWN_METRICS } from '../../contract/metrics.ts'
import type { Period } from '../address/period.ts'
import type { Subject } from '../address/subject.ts'
import { call } from '../calls/call.ts'
import { useAnswer } from '../calls/use-answer.ts'
import { titleOf } from '../numbers/metric-titles.ts'
import { exactWithUnit } from '../numbers/show-quantity.ts'
import { ShownAnswer } from '../parts/shown-answer.tsx'
import { Table } from '../parts/table.tsx'
import { caller, session } from '../session/session.ts'
import type { ProjectUsage } from './figures.ts'
import { readGroups } from './read-usage.ts'

interface UsageByLabelsProps {
  readonly subject: Subject
  readonly projectId?: string
  readonly period: Period
}

/** Usage divided by a label that is chosen. Nothing while no metric has labels, and for a code of a project, which may not list metrics. */
export function UsageByLabels({ subject, projectId, period }: UsageByLabelsProps) {
  const keys = useAnswer(`labels ${subject.asAdmin ? '' : subject.partnerId}`, (signal) => readKeys(subject, signal))
  const [chosen, setChosen] = useState('')
  if (keys.state !== 'ready' || keys.value.length === 0) return null
  return (
    <section class="by-labels">
      <label>
        Usage by label{' '}
        <select name="group_by" value={chosen} onChange={(event) => setChosen(event.currentTarget.value)}>
          <option value="">Choose a label</option>
          {keys.value.map((key) => (
            <option key={key} value={key}>
              {key}
            </option>
          ))}
        </select>
      </label>
      {chosen === '' ? null : <Groups subject={subject} {...(projectId === undefined ? {} : { projectId })} period={period} label={chosen} />}
    </section>
  )
}

function Groups({ subject, projectId, period, label }: UsageByLabelsProps & { readonly label: string }) {
  const key = `groups ${subject.partnerId} ${projectId ?? ''} ${period.first} ${period.last} ${label}`
  const answer = useAnswer(key, (signal) => readGroups({ subject, projectId, label }, period, signal))
  return (
    <ShownAnswer answer={answer} what="usage by label">
      {(groups) =>
        groups.length === 0 ? <p class="hint">No metric with this label was used in these days.</p> : groups.map((each) => <Group {...each} label={label} />)
      }
    </ShownAnswer>
  )
}

type GroupOfMetric = NonNullable<ProjectUsage['groups']>[number]

function Group({ metric, unit, adds_up, truncated, values, label }: GroupOfMetric & { readonly label: string }) {
  return (
    <>
      <Table
        caption={`${titleOf(metric)} by ${label}`}
        columns={[label, { title: 'Usage', isNumber: true }]}
        rows={values.map(({ labels, value }, index) => ({
          key: String(index),
          cells: [labels[label] ?? <em>without this label</em>, <span data-group={`${metric} ${labels[label] ?? ''}`}>{exactWithUnit(value, unit)}</span>],
        }))}
      />
      {adds_up ? null : <p class="hint">These are peaks, each with a greatest day of its own: they do not add up.</p>}
      {truncated ? <p class="hint">The last line is all further labels together.</p> : null}
    </>
  )
}

async function readKeys({ partnerId, asAdmin }: Subject, signal: AbortSignal): Promise<string[]> {
  if (session.value?.who === 'project') return []
  const { metrics } = asAdmin
    ? await call<typeof LIST_METRICS>(caller(signal), { method: 'GET', path: '/admin/v1/metrics' })
    : await call<typeof LIST_OWN_METRICS>(caller(signal), { method: 'GET', path: '/partnership/v1/:partnerId/metrics', params: { partnerId } })
  return [...new Set(metrics.flatMap(({ labels }) => labels))].sort()
}
