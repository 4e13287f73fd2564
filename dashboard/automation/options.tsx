interface OptionsProps {
  readonly values: readonly string[]
  readonly chosen: string | undefined
}

/** The options of a select whose values are names of the API. */
export function Options({ values, chosen }: OptionsProps) {
  return (
    <>
      {values.map((value) => (
        <option key={value} value={value} selected={value === chosen}>
          {value}
        </option>
      ))}
    </>
  )
}
