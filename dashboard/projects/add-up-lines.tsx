import { useEffect, useRef, useState } from 'preact/hooks'
import { addDecimals, compareDecimals } from '../../metering/exact-decimal.ts'
import type { MeasuredMetric } from '../../metering/metrics.ts'
import type { Subject } from '../address/subject.ts'
import { failureOf } from '../calls/use-answer.ts'
import { counted, exactWithUnit } from '../numbers/show-quantity.ts'
import { Notice } from '../parts/notice.tsx'
import { type ProjectQuery, readProjects } from './read-projects.ts'
import { shareOf } from './value-of-project.ts'

interface AddUpLinesProps {
  readonly subject: Subject
  readonly query: ProjectQuery
  readonly metric: MeasuredMetric
  readonly total: string
}

type Sum = { readonly lines: number; readonly value: string; readonly isWhole: boolean; readonly problem?: string }

/**
 * Reads every page and adds the lines up in the browser, so that the reader need not believe that they are the total. Leaving the page
 * ends it.
 */
export function AddUpLines({ subject, query, metric, total }: AddUpLinesProps) {
  const [sum, setSum] = useState<Sum>()
  const { unit } = metric
  const running = useRef<AbortController | undefined>(undefined)
  useEffect(() => () => running.current?.abort(), [])
  const addUp = async ({ signal }: AbortController) => {
    let [lines, value, cursor] = [0, '0', undefined as string | undefined]
    do {
      const page = await readProjects(subject, { ...query, sort: 'name', cursor }, signal)
      value = page.projects.reduce((soFar, project) => addDecimals(soFar, shareOf(project, metric)), value)
      lines += page.projects.length
      cursor = page.next_cursor ?? undefined
      setSum({ lines, value, isWhole: cursor === undefined })
    } while (cursor !== undefined)
  }
  const start = () => {
    const abort = new AbortController()
    running.current = abort
    setSum({ lines: 0, value: '0', isWhole: false })
    addUp(abort).catch((error: unknown) => {
      if (!abort.signal.aborted) setSum({ lines: 0, value: '0', isWhole: false, problem: failureOf(error).message })
    })
  }
  const isAdding = sum !== undefined && !sum.isWhole && sum.problem === undefined
  return (
    <div class="add-up">
      <div role="status">{sum === undefined ? null : <Outcome sum={sum} total={total} unit={unit} />}</div>
      <button type="button" aria-disabled={isAdding} onClick={() => !isAdding && start()}>
        {sum === undefined || isAdding ? 'Add up all lines' : 'Add up all lines again'}
      </button>
    </div>
  )
}

function Outcome({ sum: { lines, value, isWhole, problem }, total, unit }: { sum: Sum; total: string; unit: string }) {
  if (problem !== undefined) return <Notice tone="bad">The lines could not be added up: {problem}</Notice>
  if (!isWhole) return <Notice>Adding up: {counted(lines, 'line')} so far…</Notice>
  if (compareDecimals(value, total) === 0)
    return (
      <Notice tone="good">
        {counted(lines, 'line')} add up to {exactWithUnit(value, unit)}: equal to the total.
      </Notice>
    )
  return (
    <Notice tone="warn">
      {counted(lines, 'line')} add up to {exactWithUnit(value, unit)}, the total says {exactWithUnit(total, unit)}. Events that arrived in between change both:
      refresh, and add up again.
    </Notice>
  )
}
