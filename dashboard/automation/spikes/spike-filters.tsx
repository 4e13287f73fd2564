import { setParameters } from '../../address/address.ts'
import { MetricOptions, MissingMetrics } from '../../metrics/metric-choice.tsx'
import type { LoadedMetrics } from '../../metrics/use-metrics.ts'
import type { SpikeFilter } from './read-spikes.ts'

interface SpikeFiltersProps {
  readonly filter: SpikeFilter
  readonly isFiltered: boolean
  readonly asAdmin: boolean
  readonly loaded: LoadedMetrics
}

const PARAMETERS = ['partner', 'project', 'metric', 'from', 'to'] as const

/** Chooses which spikes are listed. The URL keeps it. */
export function SpikeFilters({ filter: { partner_id, project_id, metric, from, to }, isFiltered, asAdmin, loaded }: SpikeFiltersProps) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget as HTMLFormElement)
    setParameters(Object.fromEntries(PARAMETERS.map((name) => [name, String(fields.get(name) ?? '').trim()])))
  }
  return (
    <search>
      <form class="filters" onSubmit={submit}>
        {asAdmin ? (
          <label>
            Partner id
            <input name="partner" defaultValue={partner_id} maxLength={128} placeholder="all" autocomplete="off" spellcheck={false} />
          </label>
        ) : null}
        <label>
          Project id
          <input name="project" defaultValue={project_id} maxLength={256} placeholder="all" autocomplete="off" spellcheck={false} />
        </label>
        <label>
          Metric
          <select name="metric">
            <option value="">all</option>
            <MetricOptions loaded={loaded} selected={metric ?? ''} />
          </select>
          <MissingMetrics loaded={loaded} />
        </label>
        <label>
          First day
          <input type="date" name="from" defaultValue={from} />
        </label>
        <label>
          Last day
          <input type="date" name="to" defaultValue={to} />
        </label>
        <button type="submit">Filter</button>
        {isFiltered ? (
          <button type="button" onClick={() => setParameters(Object.fromEntries(PARAMETERS.map((name) => [name, undefined])))}>
            Show all
          </button>
        ) : null}
      </form>
    </search>
  )
}
