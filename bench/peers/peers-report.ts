import { mebibytes, type Report, type Table } from '../report.ts'
import { checkAnswer, exactAnswers, QUESTIONS, type Question } from './exact-answers.ts'
import type { MeterlineResult } from './meterline-shape.ts'
import { type Panel, peersPicture } from './peers-picture.ts'
import type { ShapeResult } from './shape-result.ts'

/** All shapes of one size. */
export interface PeersOfSize {
  readonly events: number
  readonly sent: number
  readonly meterline: MeterlineResult
  readonly others: readonly ShapeResult[]
}

const TITLES: Record<Question, string> = {
  project_week: "a project's week",
  partner_month: "a partner's month, 2,000 projects",
  all_partners_month: "all partners' month, 10 partners",
}

/** The aims, for the largest size. */
const PEER_AIMS = [
  { key: 'ratio_partner_month_json_scan', least: 150, size: 'largest' },
  { key: 'ratio_partner_month_postgres', least: 5, size: 'largest' },
  { key: 'ratio_all_partners_month_json_scan', least: 200, size: 'largest' },
  { key: 'ratio_bytes_raw_json_scan', most: 0.5, size: 'largest' },
  { key: 'ratio_project_week_sizes', most: 1.3, size: undefined },
] as const

export function peersReport(sizes: readonly PeersOfSize[], skipped: readonly string[]): Report {
  const figures = Object.assign({}, ...sizes.map(figuresOf), ratioOfSizes(sizes)) as Record<string, number>
  return {
    name: 'peers',
    notes: [
      'Ways to store usage events that are in use, written from public descriptions, beside Meterline: on the same engine (PostgreSQL is its own), with the same events, on the same machine, in one run. Each acknowledged batch is durable in each of them.',
      '5,000 projects of 10 partners, 31 days, 9 metrics, in the order of the days. Events are sent in batches of 5,000 by one sender, one batch after another, with one percent of duplicates; the store is killed after half of the batches, and the batch of which the sender does not know is sent again. At most a million are sent like this; the store computes the rest.',
      'Questions are asked after merges and after one percent of new events. Times are medians. Meterline is measured by its own query code; "over HTTP" is the whole answer of the service, and of all partners ten answers.',
      'Memory is by how much that of the process grows at the first answer. A wrong quantity differs from the exact one, which is computed from the events without any store.',
      ...skipped,
    ],
    tables: sizes.flatMap((size) => [questionsTable(size), storageTable(size)]).concat(aimsTable(sizes, figures)),
    figures,
    picture: peersPicture(panelsOf(sizes)),
  }
}

function sizeName(events: number): string {
  return events >= 1_000_000 ? `${events / 1_000_000}m` : `${events / 1_000}k`
}

/** The largest size. */
function panelsOf(sizes: readonly PeersOfSize[]): Panel[] {
  const size = sizes.at(-1)
  if (size === undefined) return []
  const exact = exactAnswers(size.events)
  return QUESTIONS.map((question) => {
    const bars = [size.meterline, ...size.others].map(({ what, questions }) => {
      const { ms, answer } = questions[question]
      return { label: what, ms, wrong: checkAnswer(new Map(answer), exact[question]).wrong > 0 }
    })
    return { title: `${TITLES[question]}, ${size.events.toLocaleString('en-US')} events`, bars }
  })
}

function questionsTable({ events, meterline, others }: PeersOfSize): Table {
  const exact = exactAnswers(events)
  const rows = QUESTIONS.flatMap((question) => {
    const ours = meterline.questions[question]
    const lines = [meterline, ...others].map(({ what, questions }) => {
      const { ms, answer, bytesRead, memoryBytes } = questions[question]
      const ratio = (ms / ours.ms).toFixed(ms / ours.ms < 10 ? 1 : 0)
      return [
        TITLES[question],
        what,
        ratio,
        ms.toFixed(1),
        mebibytesOf(bytesRead),
        mebibytesOf(memoryBytes),
        verdictOf(checkAnswer(new Map(answer), exact[question])),
      ]
    })
    const http = meterline.http[question]
    const overHttp = [
      TITLES[question],
      'Meterline over HTTP',
      (http.ms / ours.ms).toFixed(1),
      http.ms.toFixed(1),
      '',
      '',
      verdictOf(checkAnswer(http.answer, exact[question])),
    ]
    return [...lines.slice(0, 1), overHttp, ...lines.slice(1)]
  })
  return {
    title: `Questions, ${events.toLocaleString('en-US')} events`,
    columns: ['question', 'shape', 'times Meterline', 'ms', 'MiB read', 'MiB of memory', 'answer'],
    rows,
  }
}

function storageTable({ events, sent, meterline, others }: PeersOfSize): Table {
  const rows = [meterline, ...others].map(({ what, ingest, bytesPerEvent, eventBytesPerEvent }) => [
    what,
    Math.round(sent / ingest.seconds).toLocaleString('en-US'),
    ingest.cpuSeconds === undefined ? '' : ((ingest.cpuSeconds / sent) * 1e6).toFixed(1),
    ingest.restartSeconds.toFixed(1),
    `${bytesPerEvent.toFixed(1)}${eventBytesPerEvent === undefined ? '' : ` (raw ${eventBytesPerEvent.toFixed(1)})`}`,
  ])
  return {
    title: `Ingestion of ${sent.toLocaleString('en-US')} events, and disk after merges, ${events.toLocaleString('en-US')} events`,
    columns: ['shape', 'events/s, restart included', 'CPU s / million', 's of the restart', 'bytes per event'],
    rows,
  }
}

function aimsTable(sizes: readonly PeersOfSize[], figures: Readonly<Record<string, number>>): Table {
  const largest = sizeName(sizes.at(-1)?.events ?? 0)
  const rows = PEER_AIMS.map((aim) => {
    const key = aim.size === undefined ? aim.key : `${aim.key}_${largest}`
    const value = figures[key]
    const stated = 'least' in aim ? `at least ${aim.least}` : `at most ${aim.most}`
    const met = value !== undefined && ('least' in aim ? value >= aim.least : value <= aim.most)
    return [key, stated, value === undefined ? '' : value.toPrecision(3), value === undefined ? 'not measured' : met ? 'met' : 'missed']
  })
  return { title: `Aims, stated for 20 million events; here at ${largest}`, columns: ['figure', 'aim', 'measured', ''], rows }
}

function figuresOf({ events, sent, meterline, others }: PeersOfSize): Record<string, number> {
  const [size, exact, figures] = [sizeName(events), exactAnswers(events), {} as Record<string, number>]
  for (const { name, questions, ingest, bytesPerEvent } of [meterline, ...others]) {
    for (const question of QUESTIONS) {
      const { ms, answer, bytesRead, memoryBytes } = questions[question]
      const key = `${question}_${name}_${size}`
      if (name !== 'meterline') figures[`ratio_${key}`] = ms / meterline.questions[question].ms
      Object.assign(figures, { [`${key}_ms`]: ms, [`${key}_wrong_quantities`]: checkAnswer(new Map(answer), exact[question]).wrong })
      if (bytesRead !== undefined) figures[`${key}_read_bytes`] = bytesRead
      if (memoryBytes !== undefined) figures[`${key}_memory_bytes`] = memoryBytes
    }
    figures[`ingest_${name}_${size}_events_per_second`] = sent / ingest.seconds
    if (ingest.cpuSeconds !== undefined) figures[`ingest_${name}_${size}_cpu_per_million_seconds`] = (ingest.cpuSeconds / sent) * 1e6
    figures[`stored_${name}_${size}_per_event_bytes`] = bytesPerEvent
    if (name !== 'meterline') figures[`ratio_bytes_raw_${name}_${size}`] = (meterline.eventBytesPerEvent ?? Number.NaN) / bytesPerEvent
  }
  for (const question of QUESTIONS) {
    figures[`${question}_http_${size}_ms`] = meterline.http[question].ms
    figures[`${question}_http_${size}_wrong_quantities`] = checkAnswer(meterline.http[question].answer, exact[question]).wrong
  }
  return figures
}

/** How a project's week grows from the smallest size to the largest. */
function ratioOfSizes(sizes: readonly PeersOfSize[]): Record<string, number> {
  const [smallest, largest] = [sizes[0], sizes.at(-1)]
  if (smallest === undefined || largest === undefined || smallest === largest) return {}
  return { ratio_project_week_sizes: largest.meterline.questions.project_week.ms / smallest.meterline.questions.project_week.ms }
}

function verdictOf({ quantities, wrong, tooHigh }: { quantities: number; wrong: number; tooHigh: number }): string {
  return wrong === 0 ? 'exact' : `**wrong**: ${wrong} of ${quantities}, ${tooHigh} too high`
}

function mebibytesOf(bytes: number | undefined): string {
  if (bytes === undefined) return ''
  return bytes < 10 * 1024 ** 2 ? (bytes / 1024 ** 2).toFixed(2) : mebibytes(bytes)
}
