import { useEffect, useRef, useState } from 'preact/hooks'
import { daysOf, periodOfMonth } from '../../address/period.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { allDigits, counted } from '../../numbers/show-quantity.ts'
import { showDay, showMonth } from '../../numbers/show-time.ts'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { AuditedDay } from './audited-day.tsx'
import { type DayAudit, readMonthAudits } from './read-audits.ts'

interface AuditMonthProps {
  readonly month: string
  readonly today: string
  /** Changes when everything is to be read again. */
  readonly round: number
}

/** A month as a grid of its days, and the audit of the day that was chosen. */
export function AuditMonth({ month, today, round }: AuditMonthProps) {
  const audits = useAnswer(`audits ${month}`, (signal) => readMonthAudits(month, signal))
  const seenRound = useRef(round)
  useEffect(() => {
    if (seenRound.current === round) return
    seenRound.current = round
    audits.reload()
  }, [round, audits.reload])
  return (
    <section class="panel audit-month" aria-labelledby={`audits-${month}`}>
      <h2 id={`audits-${month}`}>{showMonth(month)}</h2>
      <ShownAnswer answer={audits} what="audits">
        {(days) => <MonthGrid month={month} today={today} audits={days} />}
      </ShownAnswer>
    </section>
  )
}

const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const
const DAYS_PER_WEEK = 7

interface MonthGridProps {
  readonly month: string
  readonly today: string
  readonly audits: ReadonlyMap<string, DayAudit>
}

/** One tab stop: arrow keys move between days and weeks. */
function MonthGrid({ month, today, audits }: MonthGridProps) {
  const days = daysOf(periodOfMonth(month))
  const past = days.filter((day) => day <= today)
  const [active, setActive] = useState(past.at(-1) ?? '')
  const [chosen, setChosen] = useState<string>()
  const table = useRef<HTMLTableElement>(null)
  const move = (event: KeyboardEvent, day: string) => {
    const target = past[targetOf(event.key, past.indexOf(day), past.length) ?? -1]
    if (target === undefined) return
    event.preventDefault()
    setActive(target)
    table.current?.querySelector<HTMLButtonElement>(`[data-day="${target}"]`)?.focus()
  }
  return (
    <>
      <table ref={table} class="calendar">
        <caption class="visually-hidden">Audits of {showMonth(month)}. Arrow keys move between days.</caption>
        <thead>
          <tr>
            {WEEKDAYS.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {weeksOf(days).map((week) => (
            <tr key={week.find((day) => day !== '')}>
              {week.map((day, index) => (
                <td key={index}>
                  {day === '' || day > today ? (
                    <span class="future">{day === '' ? '' : Number(day.slice(-2))}</span>
                  ) : (
                    <button
                      type="button"
                      data-day={day}
                      class={`day ${toneOf(audits.get(day))}`}
                      tabIndex={day === active ? 0 : -1}
                      aria-pressed={day === chosen}
                      onClick={() => setChosen(day)}
                      onFocus={() => setActive(day)}
                      onKeyDown={(event) => move(event, day)}
                    >
                      <span class="visually-hidden">{labelOf(day, audits.get(day), today)}</span>
                      <small aria-hidden="true">{Number(day.slice(-2))}</small>
                      <span aria-hidden="true">{day === today ? 'open' : (audits.get(day)?.differences ?? '–')}</span>
                    </button>
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      <div role="status">{chosen === undefined ? null : <AuditedDay day={chosen} today={today} audit={audits.get(chosen)} />}</div>
    </>
  )
}

function targetOf(key: string, index: number, count: number): number | undefined {
  const steps: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -DAYS_PER_WEEK, ArrowDown: DAYS_PER_WEEK }
  if (key === 'Home') return 0
  if (key === 'End') return count - 1
  const step = steps[key]
  if (step === undefined) return undefined
  const target = index + step
  return target < 0 || target >= count ? undefined : target
}

/** Rows of seven cells from Monday on; empty text where the month has no day. */
function weeksOf(days: readonly string[]): string[][] {
  const before = (new Date(`${days[0]}T00:00:00Z`).getUTCDay() + DAYS_PER_WEEK - 1) % DAYS_PER_WEEK
  const cells = [...Array.from({ length: before }, () => ''), ...days]
  const weeks = Math.ceil(cells.length / DAYS_PER_WEEK)
  return Array.from({ length: weeks }, (_, week) => Array.from({ length: DAYS_PER_WEEK }, (__, index) => cells[week * DAYS_PER_WEEK + index] ?? ''))
}

function toneOf(audit: DayAudit | undefined): string {
  if (audit === undefined) return 'unknown'
  return audit.differences === '0' ? 'good' : 'bad'
}

/** Not audited yet is not the same as no difference. */
function labelOf(day: string, audit: DayAudit | undefined, today: string): string {
  if (audit === undefined) return `${showDay(day)}: ${day === today ? 'not finished yet' : 'not audited yet'}`
  return `${showDay(day)}: ${allDigits(audit.differences)} ${audit.differences === '1' ? 'difference' : 'differences'}, ${counted(audit.raw_events, 'event')}`
}
