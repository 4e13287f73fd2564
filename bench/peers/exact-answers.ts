import { addDecimals, compareDecimals, parseDecimal } from '../../metering/exact-decimal.ts'
import { METRIC_NAMES, METRICS, type MetricName } from '../../metering/metrics.ts'
import { ASKED_PROJECT, DAYS, dayOf, metricOf, PARTNERS, PROJECTS, partnerOf, projectOf, thousandthsOf, WEEK_FROM_DAY } from './peer-events.ts'

/** The quantities of an answer, by partner and metric. Of one project or partner there is one entry, `partner_0`. */
export type Answer = ReadonlyMap<string, Readonly<Partial<Record<MetricName, string>>>>

export const QUESTIONS = ['project_week', 'partner_month', 'all_partners_month'] as const
export type Question = (typeof QUESTIONS)[number]

export function partnerKey(partner: number): string {
  return `partner_${partner}`
}

/**
 * Computes the answers from the events themselves, without any store. A project's day is the greatest sample or the sum, a partner's day the
 * sum over its projects, and a period the greatest day or the sum. Values are whole thousandths, of which a double holds the sum of a
 * project's day exactly.
 */
export function exactAnswers(events: number): Record<Question, Answer> {
  const cells = new Float64Array(PROJECTS * DAYS * METRIC_NAMES.length)
  const isPeak = METRIC_NAMES.map((name) => METRICS[name].kind === 'peak')
  for (let number = 0; number < events; number += 1) {
    const metric = metricOf(number)
    const cell = cellOf(projectOf(number), dayOf(number, events), metric)
    const [before = 0, value] = [cells[cell], thousandthsOf(number)]
    cells[cell] = isPeak[metric] ? Math.max(before, value) : before + value
    if (!Number.isSafeInteger(cells[cell])) throw new RangeError('A day of a project is too large to be summed exactly.')
  }
  const projects = Array.from({ length: PROJECTS }, (_, project) => project)
  const partners = Array.from({ length: PARTNERS }, (_, partner) => partner)
  const month = partners.map((partner) => {
    const own = projects.filter((project) => partnerOf(project) === partner)
    return [partnerKey(partner), quantitiesOf(cells, own, 0)] as const
  })
  return {
    project_week: new Map([[partnerKey(0), quantitiesOf(cells, [ASKED_PROJECT], WEEK_FROM_DAY)]]),
    partner_month: new Map(month.slice(0, 1)),
    all_partners_month: new Map(month),
  }
}

function cellOf(project: number, day: number, metric: number): number {
  return (project * DAYS + day) * METRIC_NAMES.length + metric
}

function quantitiesOf(cells: Float64Array, projects: readonly number[], fromDay: number): Partial<Record<MetricName, string>> {
  return Object.fromEntries(
    METRIC_NAMES.map((name, metric) => {
      const days = Array.from({ length: DAYS - fromDay }, (_, index) =>
        projects.reduce((sum, project) => sum + BigInt(cells[cellOf(project, fromDay + index, metric)] ?? 0), 0n),
      )
      const total = METRICS[name].kind === 'peak' ? greatest(days) : days.reduce((sum, day) => sum + day, 0n)
      return [name, requireDecimal(`${total / 1000n}.${String(total % 1000n).padStart(3, '0')}`)]
    }),
  )
}

function greatest(values: readonly bigint[]): bigint {
  let most = 0n
  for (const value of values) if (value > most) most = value
  return most
}

export interface Verdict {
  /** Quantities of the exact answer. */
  readonly quantities: number
  /** Of these, how many the answer has wrong, and how many of them too high. */
  readonly wrong: number
  readonly tooHigh: number
}

/** Compares each quantity with the exact one, to the last digit. A metric or partner that is missing in the answer stands for no usage. */
export function checkAnswer(answer: Answer, exact: Answer): Verdict {
  const compared = [...exact].flatMap(([partner, quantities]) =>
    METRIC_NAMES.map((metric) => compareDecimals(requireDecimal(answer.get(partner)?.[metric] ?? '0'), quantities[metric] ?? '0')),
  )
  const unknown = [...answer.keys()].filter((partner) => !exact.has(partner)).length
  return { quantities: compared.length, wrong: compared.filter((sign) => sign !== 0).length + unknown, tooHigh: compared.filter((sign) => sign > 0).length }
}

export interface AnswerRow {
  readonly partner: string
  readonly metric: string
  readonly peak: string
  readonly total: string
}

/** Reads rows with both the peak and the sum of each metric; its kind decides which of them is its quantity. */
export function answerOf(rows: readonly AnswerRow[]): Answer {
  const answer = new Map<string, Partial<Record<MetricName, string>>>()
  for (const { partner, metric, peak, total } of rows) {
    const name = METRIC_NAMES.find((each) => each === metric)
    if (name === undefined) throw new Error(`The answer has an unknown metric: ${metric}.`)
    answer.set(partner, { ...answer.get(partner), [name]: requireDecimal(METRICS[name].kind === 'peak' ? peak : total) })
  }
  return answer
}

/** Trailing zeros are dropped, which some stores print. */
function requireDecimal(text: string): string {
  const parsed = parseDecimal(text.includes('.') ? text.replace(/\.?0+$/, '') : text)
  if (parsed === undefined) throw new Error(`"${text}" is not a decimal.`)
  return addDecimals(parsed, '0')
}
