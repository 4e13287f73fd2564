import { PROJECT_STATUSES, REGIONS } from '../../contract/lists.ts'
import { METRIC_NAME_PATTERN } from '../../metering/metrics.ts'
import { address, setParameters } from '../address/address.ts'
import { type Period, periodOf, periodParameters } from '../address/period.ts'
import { PeriodPicker } from '../address/period-picker.tsx'
import { linkOfSubject, type Subject } from '../address/subject.ts'
import { useAnswer } from '../calls/use-answer.ts'
import { MetricChoice } from '../metrics/metric-choice.tsx'
import { type LoadedMetrics, metricNamed, type TitledMetric, useMetrics } from '../metrics/use-metrics.ts'
import { allDigits, counted, plural } from '../numbers/show-quantity.ts'
import { showDay } from '../numbers/show-time.ts'
import { PageButtons, useCursorPages } from '../parts/cursor-pages.tsx'
import { ShownAnswer } from '../parts/shown-answer.tsx'
import { Table } from '../parts/table.tsx'
import { BillingBadges } from '../usage/billing-badges.tsx'
import { figuresOfPartnership } from '../usage/figures.ts'
import { readPartnershipUsage } from '../usage/read-usage.ts'
import { AddUpLines } from './add-up-lines.tsx'
import { type ShownSort, SORT_NAMES, sortOf } from './choices.ts'
import { type ListedProject, type ProjectQuery, readProjects } from './read-projects.ts'
import { StatusBadge } from './status-badge.tsx'
import { ownMaximumOf, shareOf } from './value-of-project.ts'

const ROWS_PER_PAGE = 100

/** The projects of a partner with what each adds to the total of a metric; deleted ones included. */
export function ProjectsPage({ subject }: { subject: Subject }) {
  const { parameters } = address.value
  const chosen = periodOf(parameters, Date.now())
  const loaded = useMetrics(subject)
  const name = METRIC_NAME_PATTERN.test(parameters['metric'] ?? '') ? String(parameters['metric']) : 'database_size_bytes'
  const metric = metricNamed(loaded, name)
  const query: ProjectQuery = {
    period: chosen.period,
    status: PROJECT_STATUSES.find((status) => status === parameters['status']),
    region: REGIONS.find((region) => region === parameters['region']),
    search: parameters['search'],
    sort: sortOf(parameters['sort'], name),
    limit: ROWS_PER_PAGE,
  }
  return (
    <>
      <div class="heading">
        <h1>Projects</h1>
        <PeriodPicker chosen={chosen} />
      </div>
      <Filters name={name} loaded={loaded} />
      {metric === undefined ? (
        <p class="hint" role="status">
          {loaded.isLoading ? 'Reading the metrics…' : `There is no metric ${name}. Choose another one.`}
        </p>
      ) : (
        <ProjectPages key={JSON.stringify([subject, query, name])} subject={subject} query={query} metric={metric} />
      )}
    </>
  )
}

function Filters({ name, loaded }: { name: string; loaded: LoadedMetrics }) {
  const { parameters } = address.value
  const search = (event: SubmitEvent) => {
    event.preventDefault()
    setParameters({ search: String(new FormData(event.currentTarget as HTMLFormElement).get('search')).trim() })
  }
  return (
    <search>
      <form class="filters" onSubmit={search}>
        <label>
          Name or id
          <input
            type="search"
            name="search"
            value={parameters['search'] ?? ''}
            maxLength={128}
            onChange={(event) => setParameters({ search: event.currentTarget.value.trim() })}
          />
        </label>
        <MetricChoice loaded={loaded} value={name} onChange={(metric) => setParameters({ metric })} />
        <label>
          Status
          <select value={parameters['status'] ?? ''} onChange={(event) => setParameters({ status: event.currentTarget.value })}>
            <option value="">all</option>
            {PROJECT_STATUSES.map((status) => (
              <option key={status} value={status}>
                {status}
              </option>
            ))}
          </select>
        </label>
        <label>
          Region
          <select value={parameters['region'] ?? ''} onChange={(event) => setParameters({ region: event.currentTarget.value })}>
            <option value="">all</option>
            {REGIONS.map((region) => (
              <option key={region} value={region}>
                {region}
              </option>
            ))}
          </select>
        </label>
        <label>
          Order
          <select value={parameters['sort'] ?? 'name'} onChange={(event) => setParameters({ sort: event.currentTarget.value })}>
            {(Object.keys(SORT_NAMES) as ShownSort[]).map((sort) => (
              <option key={sort} value={sort}>
                {SORT_NAMES[sort]}
              </option>
            ))}
          </select>
        </label>
      </form>
    </search>
  )
}

interface ProjectPagesProps {
  readonly subject: Subject
  readonly query: ProjectQuery
  readonly metric: TitledMetric
}

function ProjectPages({ subject, query, metric }: ProjectPagesProps) {
  const pages = useCursorPages()
  const list = useAnswer(`projects ${pages.cursor ?? ''}`, (signal) => readProjects(subject, { ...query, cursor: pages.cursor }, signal))
  const whole = useAnswer('total', (signal) => readPartnershipUsage(subject, query.period, signal))
  const isFiltered = query.search !== undefined || query.status !== undefined || query.region !== undefined
  return (
    <ShownAnswer answer={list} what="list of projects">
      {({ projects, total, next_cursor, as_of, billing_status }) => (
        <>
          <BillingBadges
            as_of={as_of}
            billing_status={billing_status}
            period={query.period}
            onRefresh={() => {
              list.reload()
              whole.reload()
            }}
            isRefreshing={[list, whole].some((answer) => answer.state === 'ready' && answer.isRefreshing)}
          />
          <ShownAnswer answer={whole} what="total">
            {(usage) => {
              const { total: value, peakDay } = figureOf(usage, metric.metric)
              return (
                <>
                  <ProjectTable subject={subject} projects={projects} metric={metric} period={query.period} peakDay={peakDay} total={value} />
                  {isFiltered ? null : <AddUpLines key={value} subject={subject} query={query} metric={metric} total={value} />}
                </>
              )
            }}
          </ShownAnswer>
          <PageButtons of="projects" pages={pages} nextCursor={next_cursor}>
            {counted(total, 'project')}
            {total === '0' ? '' : `, page ${pages.number} of ${Math.ceil(Number(total) / ROWS_PER_PAGE)}`}
          </PageButtons>
        </>
      )}
    </ShownAnswer>
  )
}

/** A defined metric that the answer leaves out has no usage. */
function figureOf(usage: Parameters<typeof figuresOfPartnership>[0], metric: string): { readonly total: string; readonly peakDay: string | undefined } {
  return figuresOfPartnership(usage).find((each) => each.metric === metric) ?? { total: '0', peakDay: undefined }
}

interface ProjectTableProps {
  readonly subject: Subject
  readonly projects: readonly ListedProject[]
  readonly metric: TitledMetric
  readonly period: Period
  readonly peakDay: string | undefined
  readonly total: string
}

function ProjectTable({ subject, projects, metric, peakDay, total }: ProjectTableProps) {
  const { kind, unit, title } = metric
  const isPeak = kind === 'peak'
  const shareTitle = isPeak ? (peakDay === undefined ? 'On the peak day' : `On the peak day, ${showDay(peakDay)}`) : 'Sum'
  return (
    <Table
      caption={`What each project adds to ${title}, in ${plural(unit, '2')}`}
      columns={[
        'Project',
        'Status',
        'Region',
        { title: shareTitle, isNumber: true },
        ...(isPeak ? [{ title: 'Own maximum', isNumber: true } as const] : []),
        'Last activity',
      ]}
      empty="No project matches."
      rows={projects.map((project) => ({
        key: project.id,
        cells: [
          <>
            <a href={linkOfSubject(subject, ['projects', project.id], periodParameters(address.value.parameters))}>{project.name}</a> <code>{project.id}</code>
          </>,
          <StatusBadge status={project.status} deletedAt={project.deleted_at} />,
          project.region,
          allDigits(shareOf(project, metric)),
          ...(isPeak ? [allDigits(ownMaximumOf(project, metric.metric))] : []),
          project.last_activity_at === null ? 'none yet' : showDay(project.last_activity_at),
        ],
      }))}
      foot={{ key: 'total', cells: ['All projects', '', '', <strong data-total={metric.metric}>{allDigits(total)}</strong>, ...(isPeak ? [''] : []), ''] }}
    />
  )
}
