import { showTime } from '../numbers/show-time.ts'

type Value = string | boolean | null | readonly (string | boolean)[]

/** Fields of an entry as readable pairs. */
export function Pairs({ fields }: { fields: Readonly<Record<string, Value>> }) {
  const pairs = Object.entries(fields)
  if (pairs.length === 0) return null
  return (
    <dl class="pairs">
      {pairs.map(([name, value]) => (
        <div key={name}>
          <dt>{titleOf(name, value)}</dt>
          <dd>{textOf(isTimeInMs(name, value) ? new Date(Number(value)).toISOString() : value)}</dd>
        </div>
      ))}
    </dl>
  )
}

function textOf(value: Value): string {
  if (value === null || value === '') return 'none'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'string') return INSTANT.test(value) ? showTime(value) : value
  return value.length === 0 ? 'none' : value.map(textOf).join(', ')
}

function titleOf(name: string, value: Value): string {
  return (isTimeInMs(name, value) || (name.endsWith(MS) && value === null) ? name.slice(0, -MS.length) : name).replaceAll('_', ' ')
}

/** Some times are kept as ms since 1970. */
function isTimeInMs(name: string, value: Value): boolean {
  return name.endsWith(MS) && typeof value === 'string' && TIME_IN_MS.test(value)
}

const MS = '_ms'
const TIME_IN_MS = /^\d{12,14}$/
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z$/
