import { address } from '../../address/address.ts'
import type { Subject } from '../../address/subject.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { useMetrics } from '../../metrics/use-metrics.ts'
import { PageButtons, useCursorPages } from '../../parts/cursor-pages.tsx'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { readSpikes, type SpikeFilter } from './read-spikes.ts'
import { SpikeFilters } from './spike-filters.tsx'
import { SpikeTable } from './spike-table.tsx'

/** Days of projects that are unlike their weekday: of a partner, or for admins of all partners. */
export function SpikesPage({ subject }: { subject: Subject }) {
  const { partner, project, metric, from, to } = address.value.parameters
  const filter: SpikeFilter = {
    partner_id: subject.asAdmin ? partner : undefined,
    project_id: project,
    metric,
    from,
    to,
  }
  return <SpikePages key={JSON.stringify(filter)} subject={subject} filter={filter} />
}

function SpikePages({ subject, filter }: { subject: Subject; filter: SpikeFilter }) {
  const pages = useCursorPages()
  const loaded = useMetrics(subject)
  const spikes = useAnswer(`spikes ${pages.cursor ?? ''}`, (signal) => readSpikes(subject, filter, pages.cursor, signal))
  const isFiltered = Object.values(filter).some((value) => value !== undefined)
  return (
    <>
      <PageHeading
        title="Spikes"
        lead="Each complete day of a project is compared with the same weekday of the 8 weeks before. Listed are the days that are unlike them, upwards or downwards. Webhooks are notified of each as usage.spike."
        {...refreshOf(spikes)}
      />
      <SpikeFilters filter={filter} isFiltered={isFiltered} asAdmin={subject.asAdmin} loaded={loaded} />
      <ShownAnswer answer={spikes} what="spikes">
        {({ spikes: listed, next_cursor }) => (
          <>
            <SpikeTable subject={subject} spikes={listed} isFiltered={isFiltered} />
            <PageButtons of="spikes" pages={pages} nextCursor={next_cursor} />
          </>
        )}
      </ShownAnswer>
    </>
  )
}
