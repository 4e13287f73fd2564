import { useRef, useState } from 'preact/hooks'
import { dayOf } from '../address/period.ts'
import { exactWithUnit } from '../numbers/show-quantity.ts'
import { showDay } from '../numbers/show-time.ts'

export interface Bar {
  readonly day: string
  /** Undefined on a day without an event. */
  readonly value: string | undefined
  /** The value of the same place in the period before, drawn behind; undefined if there is none. */
  readonly earlier: string | undefined
  readonly earlierDay: string | undefined
  readonly isPeak: boolean
}

interface BarsProps {
  readonly label: string
  readonly unit: string
  readonly bars: readonly Bar[]
  /** How a day, or an interval in its place, is called; as a day by default. */
  readonly nameOf?: (day: string) => string
  /** Said until a bar is looked at. */
  readonly hint?: string
  /** Without it, bars can be looked at only. */
  readonly onChoose?: (day: string) => void
}

const WIDTH = 100
const HEIGHT = 36
const GAP_SHARE = 0.2
/** The mark of the peak stands above its bar. */
const MARK = 4
/** A day with little usage must not look like one without. */
const HEIGHT_MIN = 0.6

/**
 * A bar for each day. One tab stop: arrow keys move between days, Enter explains one. Only the height of a bar goes through a
 * double; what is said about it has all its digits.
 */
export function Bars({ label, unit, bars, nameOf = showDay, hint = 'Choose a day to see where its value comes from.', onChoose }: BarsProps) {
  const lastUsed = bars.findLastIndex(({ value }) => value !== undefined)
  const [active, setActive] = useState(Math.max(lastUsed, 0))
  const [isLookedAt, setLookedAt] = useState(false)
  const svg = useRef<SVGSVGElement>(null)
  const greatest = Math.max(0, ...bars.flatMap(({ value, earlier }) => [Number(value ?? 0), Number(earlier ?? 0)]))
  const heightOf = (value: string | undefined) =>
    value === undefined || Number(value) === 0 ? 0 : Math.max(HEIGHT_MIN, (Number(value) / greatest) * (HEIGHT - MARK))
  const focus = (index: number) => {
    const inside = Math.min(Math.max(index, 0), bars.length - 1)
    setActive(inside)
    svg.current?.querySelectorAll<SVGElement>('g.bar')[inside]?.focus()
  }
  const step = WIDTH / bars.length
  const last = bars.at(-1)
  const nameOfLast = last === undefined ? '' : nameOf(last.day)
  const described = bars[Math.min(active, bars.length - 1)]
  return (
    <figure class="bars">
      <svg ref={svg} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="group" aria-label={label}>
        {bars.map((bar, index) => {
          const at = { x: index * step + (step * GAP_SHARE) / 2, width: step * (1 - GAP_SHARE) }
          const height = heightOf(bar.value)
          return (
            // biome-ignore lint/a11y/noStaticElementInteractions: the role depends on whether a bar can be chosen.
            <g
              key={bar.day}
              role={onChoose === undefined ? 'img' : 'button'}
              tabIndex={index === active ? 0 : -1}
              aria-label={described === undefined ? '' : describe(bar, unit, nameOf)}
              class={bar.isPeak ? 'bar is-peak' : 'bar'}
              onClick={() => onChoose?.(bar.day)}
              onMouseEnter={() => {
                setActive(index)
                setLookedAt(true)
              }}
              onFocus={() => {
                setActive(index)
                setLookedAt(true)
              }}
              onKeyDown={(event) => {
                const target = keyTarget(event.key, index, bars.length)
                if (target !== undefined) focus(target)
                else if (onChoose !== undefined && (event.key === 'Enter' || event.key === ' ')) onChoose(bar.day)
                else return
                event.preventDefault()
              }}
            >
              <rect class="column" x={index * step} y="0" width={step} height={HEIGHT} />
              {bar.earlier === undefined ? null : <rect class="ghost" {...at} y={HEIGHT - heightOf(bar.earlier)} height={heightOf(bar.earlier)} />}
              <rect class="value" x={at.x + at.width * INSET} width={at.width * (1 - 2 * INSET)} y={HEIGHT - height} height={height} />
              {bar.isPeak ? <rect class="mark" {...at} y={HEIGHT - height - MARK / 2} height={MARK / 4} /> : null}
            </g>
          )
        })}
      </svg>
      <div class="axis" aria-hidden="true">
        <span>{bars[0] === undefined ? '' : nameOf(bars[0].day)}</span>
        <span>{nameOfLast}</span>
      </div>
      <figcaption>{described === undefined || !isLookedAt ? hint : describe(described, unit, nameOf)}</figcaption>
    </figure>
  )
}

/** The bar of this period is narrower than the one behind, so that both are seen. */
const INSET = 0.14

function keyTarget(key: string, index: number, count: number): number | undefined {
  if (key === 'ArrowRight' || key === 'ArrowUp') return index + 1
  if (key === 'ArrowLeft' || key === 'ArrowDown') return index - 1
  if (key === 'Home') return 0
  if (key === 'End') return count - 1
  return undefined
}

function describe({ day, value, earlier, earlierDay, isPeak }: Bar, unit: string, nameOf: (day: string) => string): string {
  const now = value === undefined ? (day > dayOf(Date.now()) ? 'not begun yet' : 'no events') : exactWithUnit(value, unit)
  const before = earlier === undefined || earlierDay === undefined ? '' : `; ${nameOf(earlierDay)}: ${exactWithUnit(earlier, unit)}`
  return `${nameOf(day)}: ${now}${isPeak ? ', the peak' : ''}${before}`
}
