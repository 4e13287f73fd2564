import { useState } from 'preact/hooks'
import { showMonth } from '../numbers/show-time.ts'
import { setParameters } from './address.ts'
import { addMonths, type ChosenPeriod, dayOf, daysBetween, PERIOD_DAYS_MAX, type Period, type PeriodChoice } from './period.ts'

const NO_PERIOD = { month: undefined, last: undefined, from: undefined, to: undefined }
/** The months that can be chosen from the list; earlier ones by their days. */
const LISTED_MONTHS = 24

/** Chooses the period, which the URL keeps. */
export function PeriodPicker({ chosen: { choice, period, isOther } }: { chosen: ChosenPeriod }) {
  // Until another period is shown: Back, or a link of the menu, changes the period too.
  const [fieldsOpenedAt, setFieldsOpenedAt] = useState<PeriodChoice>()
  const isCustom = choice === 'custom' || fieldsOpenedAt === choice
  const thisMonth = dayOf(Date.now()).slice(0, 7)
  const month = choice.startsWith('month:') ? choice.slice('month:'.length) : undefined
  const listed = Array.from({ length: LISTED_MONTHS }, (_, index) => addMonths(thisMonth, -index))
  const months = month === undefined || listed.includes(month) ? listed : [month, ...listed]
  const choose = (value: string) => {
    setFieldsOpenedAt(value === 'custom' ? choice : undefined)
    if (value === '7d' || value === '30d') setParameters({ ...NO_PERIOD, last: value })
    if (value.startsWith('month:')) setParameters({ ...NO_PERIOD, month: value.slice('month:'.length) })
  }
  return (
    <fieldset class="period" aria-label="Period">
      {month === undefined ? null : (
        <button type="button" class="quiet" aria-label={`Show ${showMonth(addMonths(month, -1))}`} onClick={() => choose(`month:${addMonths(month, -1)}`)}>
          ‹
        </button>
      )}
      <select aria-label="Period" value={isCustom ? 'custom' : choice} onChange={(event) => choose(event.currentTarget.value)}>
        {months.map((each) => (
          <option key={each} value={`month:${each}`}>
            {showMonth(each)}
          </option>
        ))}
        <option value="7d">Last 7 days</option>
        <option value="30d">Last 30 days</option>
        <option value="custom">From … to …</option>
      </select>
      {month === undefined || month >= thisMonth ? null : (
        <button type="button" class="quiet" aria-label={`Show ${showMonth(addMonths(month, 1))}`} onClick={() => choose(`month:${addMonths(month, 1)}`)}>
          ›
        </button>
      )}
      {isOther ? <span role="alert">There is no such period as in the address. This is the current month.</span> : null}
      {isCustom ? <CustomPeriod key={`${period.first} ${period.last}`} period={period} /> : null}
    </fieldset>
  )
}

function CustomPeriod({ period }: { period: Period }) {
  const [problem, setProblem] = useState('')
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget as HTMLFormElement)
    const [from, to] = [String(fields.get('from')), String(fields.get('to'))]
    const found = from > to ? 'The first day is after the last one.' : daysBetween(from, to) >= PERIOD_DAYS_MAX ? `At most ${PERIOD_DAYS_MAX} days.` : ''
    setProblem(found)
    if (found === '') setParameters({ ...NO_PERIOD, from, to })
  }
  return (
    <form class="custom" onSubmit={submit}>
      <label>
        From <input type="date" name="from" required defaultValue={period.first} />
      </label>
      <label>
        To <input type="date" name="to" required defaultValue={period.last} />
      </label>
      <button type="submit">Show</button>
      <span role="alert">{problem}</span>
    </form>
  )
}
