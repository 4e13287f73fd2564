import { useState } from 'preact/hooks'
import type { Subject } from '../../address/subject.ts'
import { titleOf } from '../../numbers/metric-titles.ts'
import { plural } from '../../numbers/show-quantity.ts'
import { FormDialog } from '../../parts/form-dialog.tsx'
import { useAction } from '../../parts/use-action.ts'
import { withoutField } from '../field.tsx'
import { BudgetField } from './budget-field.tsx'
import { type Threshold, type ThresholdChanges, updateThreshold } from './call-thresholds.ts'
import { draftOf, type LevelDraft, levelOf } from './level-draft.ts'
import { LevelFields } from './level-fields.tsx'

interface ChangeThresholdDialogProps {
  readonly subject: Subject
  readonly threshold: Threshold
  readonly onChanged: () => void
  readonly onClose: () => void
}

/** Changes the levels and the budget of a threshold, and whether it is active. Its metric and its subject stay. */
export function ChangeThresholdDialog({ subject, threshold, onChanged, onClose }: ChangeThresholdDialogProps) {
  const action = useAction<true>()
  const { failure } = action
  const { id, metric, budget, active } = threshold
  const [levels, setLevels] = useState<readonly LevelDraft[]>(threshold.levels.map(draftOf))
  const submit = async (fields: FormData) => {
    const changes = changesOf(threshold, levels, fields)
    if (Object.keys(changes).length === 0) return true
    const isDone = await action.run(async () => {
      await updateThreshold(subject, id, changes)
      return true
    })
    return isDone !== undefined
  }
  const unit = plural(threshold.unit, '2')
  return (
    <FormDialog
      heading={`Change the threshold of ${titleOf(metric)}`}
      verb="Save"
      isBusy={action.isBusy}
      failure={withoutField(failure, ['budget', 'levels'])}
      onSubmit={submit}
      onDone={onChanged}
      onClose={onClose}
    >
      <BudgetField unit={unit} budget={budget ?? undefined} failure={failure} />
      <LevelFields levels={levels} unit={unit} failure={failure} onChange={setLevels} />
      <p class="hint">A level keeps its state under its name: if its new value is above the usage of the month, it is notified as resolved.</p>
      <label class="check">
        <input type="checkbox" name="active" defaultChecked={active} aria-describedby="about-active" /> Active
      </label>
      <p class="hint" id="about-active">
        While it is not active, no message is sent. Levels that usage of an open month has reached meanwhile are notified when it is active again.
      </p>
    </FormDialog>
  )
}

/** Only what differs, so that a change that someone else has made meanwhile to another field stays. */
function changesOf(threshold: Threshold, levels: readonly LevelDraft[], fields: FormData): ThresholdChanges {
  const [budget, active] = [String(fields.get('budget') ?? '').trim(), fields.get('active') !== null]
  const areLevelsChanged = JSON.stringify(levels) !== JSON.stringify(threshold.levels.map(draftOf))
  return {
    ...(areLevelsChanged ? { levels: levels.map(levelOf) } : {}),
    ...(budget === (threshold.budget ?? '') ? {} : { budget: budget === '' ? null : budget }),
    ...(active === threshold.active ? {} : { active }),
  }
}
