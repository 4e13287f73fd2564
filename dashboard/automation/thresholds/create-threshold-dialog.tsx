import { useState } from 'preact/hooks'
import type { Subject } from '../../address/subject.ts'
import { MetricChoice } from '../../metrics/metric-choice.tsx'
import { metricNamed, useMetrics } from '../../metrics/use-metrics.ts'
import { plural } from '../../numbers/show-quantity.ts'
import { FormDialog } from '../../parts/form-dialog.tsx'
import { useAction } from '../../parts/use-action.ts'
import { atField, Field, withoutField } from '../field.tsx'
import { BudgetField } from './budget-field.tsx'
import { createThreshold } from './call-thresholds.ts'
import { type LevelDraft, levelOf } from './level-draft.ts'
import { LevelFields } from './level-fields.tsx'

interface CreateThresholdDialogProps {
  readonly subject: Subject
  readonly onCreated: () => void
  readonly onClose: () => void
}

const FIRST_LEVELS: readonly LevelDraft[] = [
  { name: 'warning', amount: '80', of: 'percent' },
  { name: 'used up', amount: '100', of: 'percent' },
]

/** Sets a threshold for a metric in each month. */
export function CreateThresholdDialog({ subject, onCreated, onClose }: CreateThresholdDialogProps) {
  const action = useAction<true>()
  const failure = atField(atField(action.failure, 'PARTNER_NOT_FOUND', 'partner_id'), 'PROJECT_NOT_FOUND', 'project_id')
  const loaded = useMetrics(subject)
  const [metric, setMetric] = useState('ai_tokens')
  const [levels, setLevels] = useState(FIRST_LEVELS)
  const [scope, setScope] = useState<'partner' | 'project'>('partner')
  const choose = (chosen: typeof scope) => {
    setScope(chosen)
    action.reset()
  }
  const submit = async (fields: FormData) => {
    const textOf = (name: string) => String(fields.get(name) ?? '').trim()
    const isDone = await action.run(async () => {
      await createThreshold(subject, {
        metric,
        per: 'month',
        levels: levels.map(levelOf),
        ...(textOf('budget') === '' ? {} : { budget: textOf('budget') }),
        ...(scope === 'project' ? { project_id: textOf('project_id') } : subject.asAdmin ? { partner_id: textOf('partner_id') } : {}),
      })
      return true
    })
    if (isDone === undefined) return false
    onCreated()
    return true
  }
  const unit = plural(metricNamed(loaded, metric)?.unit ?? '', '2')
  return (
    <FormDialog
      heading="Set a threshold"
      verb="Set"
      isBusy={action.isBusy}
      failure={withoutField(failure, ['budget', 'levels', scope === 'project' ? 'project_id' : 'partner_id'])}
      onSubmit={submit}
      onClose={onClose}
    >
      <MetricChoice loaded={loaded} value={metric} onChange={setMetric} />
      <fieldset class="choice">
        <legend>Usage of</legend>
        <label>
          <input type="radio" name="scope" checked={scope === 'partner'} onChange={() => choose('partner')} />{' '}
          {subject.asAdmin ? 'All projects of a partner' : 'All projects together'}
        </label>
        <label>
          <input type="radio" name="scope" checked={scope === 'project'} onChange={() => choose('project')} /> One project
        </label>
      </fieldset>
      {scope === 'project' ? (
        <Field label="Project id" name="project_id" failure={failure}>
          {(attributes) => <input {...attributes} required maxLength={256} autocomplete="off" spellcheck={false} />}
        </Field>
      ) : subject.asAdmin ? (
        <Field label="Partner id" name="partner_id" failure={failure} hint="Such as ps_…, as in the list of partners.">
          {(attributes) => <input {...attributes} required maxLength={128} autocomplete="off" spellcheck={false} />}
        </Field>
      ) : null}
      <BudgetField unit={unit} failure={failure} />
      <LevelFields levels={levels} unit={unit} failure={failure} onChange={setLevels} />
    </FormDialog>
  )
}
