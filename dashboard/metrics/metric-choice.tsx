import type { LoadedMetrics } from './use-metrics.ts'

interface MetricChoiceProps {
  readonly loaded: LoadedMetrics
  readonly value: string
  readonly onChange: (metric: string) => void
}

/** Chooses a documented metric, or one that operators have defined. */
export function MetricChoice({ loaded, value, onChange }: MetricChoiceProps) {
  return (
    <label>
      Metric
      <select name="metric" value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <MetricOptions loaded={loaded} />
      </select>
      <MissingMetrics loaded={loaded} />
    </label>
  )
}

/** `selected`: for a form that keeps no state of its own. */
export function MetricOptions({ loaded: { metrics }, selected }: { loaded: LoadedMetrics; selected?: string | undefined }) {
  return (
    <>
      {metrics.map(({ metric, title }) => (
        <option key={metric} value={metric} {...(selected === undefined ? {} : { selected: metric === selected })}>
          {title === metric ? metric : `${title} (${metric})`}
        </option>
      ))}
    </>
  )
}

/** Says so when only the documented metrics can be chosen. */
export function MissingMetrics({ loaded: { failure } }: { loaded: LoadedMetrics }) {
  return failure === undefined ? null : <small role="alert">Only the documented metrics are listed: the others could not be read. {failure.message}</small>
}
