import { useState } from 'preact/hooks'
import { MetricChoice } from '../metrics/metric-choice.tsx'
import { type LoadedMetrics, metricNamed } from '../metrics/use-metrics.ts'
import { plural } from '../numbers/show-quantity.ts'
import { showMonth } from '../numbers/show-time.ts'

/** Limits of the contract. */
const REASON_CHARACTERS_MAX = 500
const ID_PATTERN = '[A-Za-z0-9_.:\\-]{1,64}'

/** What a manual line consists of. */
export function AdjustmentFields({ id, months, loaded }: { id: string; months: readonly string[]; loaded: LoadedMetrics }) {
  const [metric, setMetric] = useState('ai_tokens')
  const unit = metricNamed(loaded, metric)?.unit ?? ''
  return (
    <>
      <div class="filters">
        <label>
          Month that it corrects
          <select name="for_month" required>
            {months.map((month) => (
              <option key={month} value={month}>
                {showMonth(month)}
              </option>
            ))}
          </select>
        </label>
        <MetricChoice loaded={loaded} value={metric} onChange={setMetric} />
        <label>
          Value in {plural(unit, '2')}
          <input name="value" required autocomplete="off" inputMode="text" placeholder="-12.5" aria-describedby="value-hint" />
          <small id="value-hint">Below 0 the partner pays less.</small>
        </label>
      </div>
      <label>
        Project (optional)
        <input name="project_id" maxLength={128} autocomplete="off" spellcheck={false} placeholder="id of a project; empty: of no single project" />
      </label>
      <label>
        Reason
        <input name="reason" required maxLength={REASON_CHARACTERS_MAX} autocomplete="off" aria-describedby="reason-hint" />
        <small id="reason-hint">The partner sees it on the statement. At most {REASON_CHARACTERS_MAX} characters.</small>
      </label>
      <label>
        Id
        <input name="id" required defaultValue={id} pattern={ID_PATTERN} autocomplete="off" spellcheck={false} aria-describedby="id-hint" />
        <small id="id-hint">Sending the same adjustment again with the same id adds nothing. A number of a ticket is a good id.</small>
      </label>
    </>
  )
}
