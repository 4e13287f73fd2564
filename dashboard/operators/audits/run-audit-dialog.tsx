import { useRef, useState } from 'preact/hooks'
import { addDays } from '../../address/period.ts'
import { ActionFailure } from '../../parts/action-failure.tsx'
import { closeDialogOf } from '../../parts/close-dialog.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { useAction } from '../../parts/use-action.ts'
import { AuditResult } from './audit-result.tsx'
import { type AuditReport, runAudit } from './read-audits.ts'

interface RunAuditDialogProps {
  readonly today: string
  readonly onDone: () => void
  readonly onClose: () => void
}

const DAYS_AT_FIRST = 7

/** Counts days again on request, and shows each difference. */
export function RunAuditDialog({ today, onDone, onClose }: RunAuditDialogProps) {
  const action = useAction<AuditReport>()
  const [problem, setProblem] = useState('')
  const form = useRef<HTMLFormElement>(null)
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget as HTMLFormElement)
    const [from, to] = [String(fields.get('from')), String(fields.get('to'))]
    setProblem(from > to ? 'The first day is after the last one.' : '')
    if (from <= to && (await action.run(() => runAudit({ from, to }))) !== undefined) onDone()
  }
  return (
    <Dialog heading="Run an audit" onClose={onClose}>
      <form ref={form} onSubmit={submit}>
        <p>
          The raw events of these days are counted again and compared with the totals. No total is changed here; where one differs, a repair is requested. It
          reads every event of the days, so many days take a while. The audit log records it.
        </p>
        <div class="filters">
          <label>
            From
            <input type="date" name="from" required defaultValue={addDays(today, -DAYS_AT_FIRST)} />
          </label>
          <label>
            To
            <input type="date" name="to" required defaultValue={addDays(today, -1)} />
          </label>
        </div>
        <p role="alert">{problem}</p>
        <ActionFailure failure={action.failure} />
        <div class="actions">
          <button type="submit" class="main" disabled={action.isBusy}>
            {action.isBusy ? 'Counting…' : 'Run the audit'}
          </button>
          <button type="button" onClick={() => closeDialogOf(form.current)}>
            {action.result === undefined ? 'Cancel' : 'Close'}
          </button>
        </div>
      </form>
      <div role="status">{action.result === undefined ? null : <AuditResult report={action.result} />}</div>
    </Dialog>
  )
}
