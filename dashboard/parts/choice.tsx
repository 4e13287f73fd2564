import { setParameters } from '../address/address.ts'

interface ChoiceProps {
  readonly label: string
  /** The parameter of the URL that keeps what was chosen. */
  readonly parameter: string
  readonly value: string
  /** By value. */
  readonly options: Readonly<Record<string, string>>
}

/** A choice that the URL keeps. */
export function Choice({ label, parameter, value, options }: ChoiceProps) {
  return (
    <label class="choice-of">
      {label}
      <select value={value} onChange={(event) => setParameters({ [parameter]: event.currentTarget.value })}>
        {Object.entries(options).map(([name, title]) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
    </label>
  )
}

/** What the URL says, if it can be chosen. */
export function chosenOf<T extends string>(value: string | undefined, names: readonly T[], otherwise: T): T {
  return names.find((name) => name === value) ?? otherwise
}
