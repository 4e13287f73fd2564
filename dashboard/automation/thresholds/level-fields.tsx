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
  const isOfOne = levels.some((_, index) => problemOf(failure, `levels.${index}`) !== undefined)
  const problem = isOfOne ? undefined : problemOf(failure, 'levels')
  return (
    <fieldset class="levels">
      <legend>Levels</legend>
      {levels.map((level, index) => (
        <LevelField
          key={index}
          level={level}
          number={index + 1}
          unit={unit}
          problem={problemOf(failure, `levels.${index}`)}
          onChange={(changes) => onChange(levels.map((each, at) => (at === index ? { ...each, ...changes } : each)))}
          onRemove={levels.length === 1 ? undefined : () => onChange(levels.filter((_, at) => at !== index))}
        />
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

interface LevelFieldProps {
  readonly level: LevelDraft
  readonly number: number
  readonly unit: string
  readonly problem: string | undefined
  readonly onChange: (changes: Partial<LevelDraft>) => void
  /** Undefined for the only level: a threshold has at least one. */
  readonly onRemove: (() => void) | undefined
}

function LevelField({ level: { name, amount, of }, number, unit, problem, onChange, onRemove }: LevelFieldProps) {
  const about = `about-level-${number}`
  return (
    <div class="level">
      <label>
        Name of level {number}
        <input required maxLength={128} value={name} onInput={(event) => onChange({ name: event.currentTarget.value })} autocomplete="off" />
      </label>
      <label>
        Level {number} is reached at
        <input
          required
          inputMode="decimal"
          maxLength={64}
          value={amount}
          aria-describedby={about}
          aria-invalid={problem !== undefined}
          onInput={(event) => onChange({ amount: event.currentTarget.value })}
        />
      </label>
      <label>
        Unit of level {number}
        <select value={of} onChange={(event) => onChange({ of: event.currentTarget.value as LevelDraft['of'] })}>
          <option value="percent">% of the budget</option>
          <option value="value">{unit}</option>
        </select>
      </label>
      <button type="button" disabled={onRemove === undefined} aria-label={`Remove level ${number}`} onClick={onRemove}>
        Remove
      </button>
      <div id={about} class="about-level">
        {problem === undefined ? null : (
          <p class="problem" role="alert">
            Level {number}: {problem}
          </p>
        )}
      </div>
    </div>
  )
}
