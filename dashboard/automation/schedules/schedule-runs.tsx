import { useState } from 'preact/hooks'
import { type Loaded, useAnswer } from '../../calls/use-answer.ts'
import { allDigits, counted } from '../../numbers/show-quantity.ts'
import { showTime } from '../../numbers/show-time.ts'
import { ShortenedId } from '../../parts/shortened-id.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { Table } from '../../parts/table.tsx'
import { RUNS_PER_PAGE, readRuns } from './call-schedules.ts'
import { OutcomeBadge } from './schedule-facts.tsx'

type RunsAnswer = Awaited<ReturnType<typeof readRuns>>

interface Runs {
  readonly answer: Loaded<RunsAnswer>
  readonly pageIndex: number
  readonly showPage: (index: number) => void
}

/** One page of the runs of a schedule, newest first. */
export function useRuns(id: string): Runs {
  const [pageIndex, showPage] = useState(0)
  const answer = useAnswer(`runs ${id} ${pageIndex}`, (signal) => readRuns(id, pageIndex * RUNS_PER_PAGE, signal))
  return { answer, pageIndex, showPage }
}

export function ScheduleRuns({ answer, pageIndex, showPage }: Runs) {
  return (
    <section class="runs" aria-labelledby="runs">
      <h2 id="runs">Runs</h2>
      <ShownAnswer answer={answer} what="runs">
        {({ logs, totalCount }) => (
          <>
            <Table
              caption={`${counted(totalCount, 'run')}, newest first`}
              columns={['Due', 'Begun', 'Outcome', { title: 'Status', isNumber: true }, { title: 'Duration', isNumber: true }, 'Message', 'Run id']}
              empty="It has not run yet. Wait for its next run, or run it now; then refresh this page."
              rows={logs.map(({ id, dueAt, executedAt, success, statusCode, durationMs, message }) => ({
                key: `${id} ${executedAt}`,
                cells: [
                  showTime(dueAt),
                  showTime(executedAt),
                  <OutcomeBadge isSuccess={success} />,
                  statusCode ?? 'none',
                  `${allDigits(durationMs)} ms`,
                  <span class="breakable">{message}</span>,
                  <ShortenedId id={id} what="the run id" />,
                ],
              }))}
            />
            <RunPages pageIndex={pageIndex} isLast={(pageIndex + 1) * RUNS_PER_PAGE >= Number(totalCount)} showPage={showPage} />
          </>
        )}
      </ShownAnswer>
    </section>
  )
}

/** Nothing for a list of one page. */
function RunPages({ pageIndex, isLast, showPage }: Pick<Runs, 'pageIndex' | 'showPage'> & { isLast: boolean }) {
  if (pageIndex === 0 && isLast) return null
  return (
    <nav class="pages" aria-label="Pages of runs">
      <span role="status">
        Page {pageIndex + 1}
        {isLast ? ', the last one' : ''}
      </span>
      <button type="button" disabled={pageIndex === 0} onClick={() => showPage(pageIndex - 1)}>
        Previous page
      </button>
      <button type="button" disabled={isLast} onClick={() => showPage(pageIndex + 1)}>
        Next page
      </button>
    </nav>
  )
}
