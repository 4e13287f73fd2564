import type { CallFailed } from '../../calls/call.ts'
import { problemOf } from '../field.tsx'
import type { LevelDraft } from './level-draft.ts'

interface LevelFieldsProps {
  readonly levels: readonly LevelDraft[]
  readonly unit: string
  readonly failure: CallFailed | undefined
  readonly onChange: (levels: readonly LevelDraft[]) => void
}

const LEVELS_MAX = 10

/** The levels of a threshold: each a name, and a value or a percentage of the budget. */
export function LevelFields({ levels, unit, failure, onChange }: LevelFieldsProps) {
  const problem = problemOf(failure, 'levels')
  const change = (index: number, changes: Partial<LevelDraft>) => onChange(levels.map((level, at) => (at === index ? { ...level, ...changes } : level)))
  return (
    <fieldset class="levels">
      <legend>Levels</legend>
      {levels.map(({ name, amount, of }, index) => (
        <div key={index} class="level">
          <label>
            Name of level {index + 1}
            <input required maxLength={128} value={name} onInput={(event) => change(index, { name: event.currentTarget.value })} autocomplete="off" />
          </label>
          <label>
            Level {index + 1} is reached at
            <input required inputMode="decimal" maxLength={64} value={amount} onInput={(event) => change(index, { amount: event.currentTarget.value })} />
          </label>
          <label>
            Unit of level {index + 1}
            <select value={of} onChange={(event) => change(index, { of: event.currentTarget.value as LevelDraft['of'] })}>
              <option value="percent">% of the budget</option>
              <option value="value">{unit}</option>
            </select>
          </label>
          <button
            type="button"
            disabled={levels.length === 1}
            aria-label={`Remove level ${index + 1}`}
            onClick={() => onChange(levels.filter((_, at) => at !== index))}
          >
            Remove
          </button>
        </div>
      ))}
      <div>
        <button type="button" disabled={levels.length === LEVELS_MAX} onClick={() => onChange([...levels, { name: '', amount: '', of: 'value' }])}>
          Add a level
        </button>
      </div>
      {problem === undefined ? null : (
        <p class="problem" role="alert">
          Levels: {problem}
        </p>
      )}
    </fieldset>
  )
}
