import { useState } from 'preact/hooks'
import type { Subject } from '../../address/subject.ts'
import { titleOf } from '../../numbers/metric-titles.ts'
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx'
import { activateThreshold, removeThreshold, type Threshold } from './call-thresholds.ts'
import { HistoryDialog } from './history-dialog.tsx'

interface ThresholdActionsProps {
  readonly subject: Subject
  readonly threshold: Threshold
  readonly onChanged: () => void
}

/** What can be done with a threshold. */
export function ThresholdActions({ subject, threshold, onChanged }: ThresholdActionsProps) {
  const [asked, setAsked] = useState<'history' | 'pause' | 'remove'>()
  const close = () => setAsked(undefined)
  const { id, active, metric } = threshold
  const name = `the threshold of ${titleOf(metric)}`
  return (
    <div class="row-actions">
      <button type="button" aria-label={`History of ${name}, ${id}…`} onClick={() => setAsked('history')}>
        History…
      </button>
      <button type="button" aria-label={`${active ? 'Pause' : 'Resume'} ${name}, ${id}…`} onClick={() => setAsked('pause')}>
        {active ? 'Pause…' : 'Resume…'}
      </button>
      <button type="button" aria-label={`Remove ${name}, ${id}…`} onClick={() => setAsked('remove')}>
        Remove…
      </button>
      {asked === 'history' ? <HistoryDialog subject={subject} threshold={threshold} onClose={close} /> : null}
      {asked === 'pause' ? (
        <ConfirmDialog
          heading={`${active ? 'Pause' : 'Resume'} ${name}?`}
          verb={active ? 'Pause' : 'Resume'}
          act={() => activateThreshold(subject, id, !active)}
          onDone={onChanged}
          onClose={close}
        >
          <p>
            {active
              ? 'No message is sent about its levels until it is resumed.'
              : 'Levels that usage of an open month has reached meanwhile are notified after it is resumed.'}
          </p>
        </ConfirmDialog>
      ) : null}
      {asked === 'remove' ? (
        <ConfirmDialog heading={`Remove ${name}?`} verb="Remove" isDangerous act={() => removeThreshold(subject, id)} onDone={onChanged} onClose={close}>
          <p>No message is sent about its levels any more. To stop it for a while, pause it instead.</p>
        </ConfirmDialog>
      ) : null}
    </div>
  )
}
