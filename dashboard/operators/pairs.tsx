type Value = string | boolean | null | readonly (string | boolean)[]

/** Fields of an entry as readable pairs. */
export function Pairs({ fields }: { fields: Readonly<Record<string, Value>> }) {
  const pairs = Object.entries(fields)
  if (pairs.length === 0) return null
  return (
    <dl class="pairs">
      {pairs.map(([name, value]) => (
        <div key={name}>
          <dt>{name.replaceAll('_', ' ')}</dt>
          <dd>{textOf(value)}</dd>
        </div>
      ))}
    </dl>
  )
}

function textOf(value: Value): string {
  if (value === null || value === '') return 'none'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'string') return value
  return value.length === 0 ? 'none' : value.map(textOf).join(', ')
}
