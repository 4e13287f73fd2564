import { useState } from 'preact/hooks'
import type { Subject } from '../../address/subject.ts'
import type { Answer, Loaded } from '../../calls/use-answer.ts'
import { titleOf } from '../../numbers/metric-titles.ts'
import { exactWithUnit } from '../../numbers/show-quantity.ts'
import { Badge } from '../../parts/notice.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { Table } from '../../parts/table.tsx'
import type { readThresholds, Threshold } from './call-thresholds.ts'
import { CreateThresholdDialog } from './create-threshold-dialog.tsx'
import { ThresholdActions } from './threshold-actions.tsx'
import type { UsedById } from './use-used.ts'
import { UsedOfMonth } from './used-of-month.tsx'
import { valueOfLevel } from './value-of-level.ts'

interface ThresholdListProps {
  readonly subject: Subject
  readonly thresholds: Loaded<Awaited<ReturnType<typeof readThresholds>>>
  readonly used: Answer<UsedById>
}

/** The thresholds of one owner, and what can be done with each. */
export function ThresholdList({ subject, thresholds, used }: ThresholdListProps) {
  const [isCreating, setCreating] = useState(false)
  return (
    <section aria-label="Thresholds">
      <div class="section-heading">
        <h2>Levels of usage in a month</h2>
        <button type="button" class="main" onClick={() => setCreating(true)}>
          Set a threshold…
        </button>
      </div>
      <ShownAnswer answer={thresholds} what="thresholds">
        {({ thresholds: listed }) => (
          <Table
            caption="Thresholds, oldest first"
            isCaptionHidden
            columns={['Metric', 'Usage of', 'Levels', 'Budget', 'Used this month', 'State', 'Actions']}
            empty="There is no threshold yet. Set one to be notified when usage of a month reaches a value."
            rows={listed.map((threshold) => ({
              key: threshold.id,
              cells: [
                <span title={`Id ${threshold.id}`}>
                  {titleOf(threshold.metric)} <code>{threshold.metric}</code>
                </span>,
                <span class="breakable">{scopeOf(threshold, subject)}</span>,
                <Levels threshold={threshold} />,
                threshold.budget === null ? 'none' : exactWithUnit(threshold.budget, threshold.unit),
                <UsedOfMonth threshold={threshold} used={used} />,
                threshold.active ? <Badge tone="good">active</Badge> : <Badge tone="warn">not active</Badge>,
                <ThresholdActions subject={subject} threshold={threshold} onChanged={thresholds.reload} />,
              ],
            }))}
          />
        )}
      </ShownAnswer>
      {isCreating ? <CreateThresholdDialog subject={subject} onCreated={thresholds.reload} onClose={() => setCreating(false)} /> : null}
    </section>
  )
}

function scopeOf({ partner_id, project_id }: Threshold, { asAdmin }: Subject): string {
  if (project_id !== null) return `project ${project_id}`
  return asAdmin ? `partner ${partner_id}` : 'all projects'
}

function Levels({ threshold: { levels, budget, unit } }: { threshold: Threshold }) {
  return (
    <ul class="level-list">
      {levels.map((level) => (
        <li key={level.name}>
          {level.name}: {exactWithUnit(valueOfLevel(level, budget), unit)}
          {'percent_of_budget' in level ? ` (${level.percent_of_budget} %)` : ''}
        </li>
      ))}
    </ul>
  )
}
