import { useState } from 'preact/hooks'
import type { Subject } from '../../address/subject.ts'
import { titleOf } from '../../numbers/metric-titles.ts'
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx'
import { removeThreshold, type Threshold } from './call-thresholds.ts'
import { ChangeThresholdDialog } from './change-threshold-dialog.tsx'
import { HistoryDialog } from './history-dialog.tsx'

interface ThresholdActionsProps {
  readonly subject: Subject
  readonly threshold: Threshold
  readonly onChanged: () => void
}

/** What can be done with a threshold. */
export function ThresholdActions({ subject, threshold, onChanged }: ThresholdActionsProps) {
  const [asked, setAsked] = useState<'history' | 'change' | 'remove'>()
  const close = () => setAsked(undefined)
  const { id, metric } = threshold
  const name = `the threshold of ${titleOf(metric)}`
  return (
    <div class="row-actions">
      <button type="button" aria-label={`History of ${name}, ${id}…`} onClick={() => setAsked('history')}>
        History…
      </button>
      <button type="button" aria-label={`Change ${name}, ${id}…`} onClick={() => setAsked('change')}>
        Change…
      </button>
      <button type="button" aria-label={`Remove ${name}, ${id}…`} onClick={() => setAsked('remove')}>
        Remove…
      </button>
      {asked === 'history' ? <HistoryDialog subject={subject} threshold={threshold} onClose={close} /> : null}
      {asked === 'change' ? <ChangeThresholdDialog subject={subject} threshold={threshold} onChanged={onChanged} onClose={close} /> : null}
      {asked === 'remove' ? (
        <ConfirmDialog heading={`Remove ${name}?`} verb="Remove" isDangerous act={() => removeThreshold(subject, id)} onDone={onChanged} onClose={close}>
          <p>No message is sent about its levels any more. To stop it for a while, change it to not active instead.</p>
        </ConfirmDialog>
      ) : null}
    </div>
  )
}
