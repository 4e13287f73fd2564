import { useState } from 'preact/hooks'
import { address } from '../../address/address.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { allDigits } from '../../numbers/show-quantity.ts'
import { showDay, showTime } from '../../numbers/show-time.ts'
import { Choice, chosenOf } from '../../parts/choice.tsx'
import { PageButtons, useCursorPages } from '../../parts/cursor-pages.tsx'
import { Notice } from '../../parts/notice.tsx'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { Table } from '../../parts/table.tsx'
import { hasRole } from '../../session/session.ts'
import { readKeyNames, readUnregistered, type UnregisteredProject } from './read-unregistered.ts'
import { RegisterDialog } from './register-dialog.tsx'

const DAYS_TITLES = { '7': 'Last 7 days', '31': 'Last 31 days', '90': 'Last 90 days', '400': 'Last 400 days' } as const
type Days = keyof typeof DAYS_TITLES

/** The projects that have usage and no partner who is billed for it. */
export function UnregisteredPage() {
  const days = chosenOf(address.value.parameters['days'], Object.keys(DAYS_TITLES) as Days[], '31')
  return <UnregisteredPages key={days} days={days} />
}

function UnregisteredPages({ days }: { days: Days }) {
  const pages = useCursorPages()
  const [success, setSuccess] = useState<{ id: string; text: string }>()
  const list = useAnswer(`unregistered ${pages.cursor ?? ''}`, (signal) => readUnregistered({ days, cursor: pages.cursor }, signal))
  return (
    <>
      <PageHeading
        title="Unregistered projects"
        lead="Their events are counted and kept, and no partner is billed for them. An id that is like a registered one is often misspelt: correct the emitter. Otherwise register the project."
        {...refreshOf(list)}
      >
        <Choice label="Days" parameter="days" value={days} options={DAYS_TITLES} />
      </PageHeading>
      <div role="status">{success === undefined ? null : <Notice tone="good">{success.text}</Notice>}</div>
      <ShownAnswer answer={list} what="unregistered projects">
        {({ projects, next_cursor }) => (
          <>
            <ProjectTable
              projects={projects.filter(({ id }) => id !== success?.id)}
              onRegistered={(id, text) => {
                setSuccess({ id, text })
                list.reload()
              }}
            />
            <PageButtons of="unregistered projects" pages={pages} nextCursor={next_cursor} />
          </>
        )}
      </ShownAnswer>
    </>
  )
}

interface ProjectTableProps {
  readonly projects: readonly UnregisteredProject[]
  readonly onRegistered: (id: string, text: string) => void
}

function ProjectTable({ projects, onRegistered }: ProjectTableProps) {
  const [asked, setAsked] = useState<UnregisteredProject>()
  const mayRegister = hasRole('operator')
  const mayReadKeys = hasRole('operator', 'emitter-manager')
  const names = useAnswer('key names', async (signal) => (mayReadKeys ? readKeyNames(signal) : NO_NAMES))
  return (
    <>
      <Table
        caption="Projects that are not registered"
        columns={[
          'Project',
          { title: 'Events', isNumber: true },
          { title: 'Days with usage', isNumber: true },
          'From – to',
          'Last event',
          'Sent with',
          'Similar ids',
          ...(mayRegister ? ['Action'] : []),
        ]}
        empty="Every project with usage in these days is registered. No action is needed."
        rows={projects.map((project) => ({
          key: project.id,
          cells: [
            <strong>{project.id}</strong>,
            allDigits(project.events),
            allDigits(project.days),
            `${showDay(project.first_day)} – ${showDay(project.last_day)}`,
            showTime(project.last_event_at),
            <SendingKeys ids={project.ingest_key_ids} names={names.state === 'ready' ? names.value : NO_NAMES} />,
            project.similar_project_ids.length === 0 ? 'none' : project.similar_project_ids.join(', '),
            ...(mayRegister
              ? [
                  <button type="button" aria-label={`Register ${project.id}…`} onClick={() => setAsked(project)}>
                    Register…
                  </button>,
                ]
              : []),
          ],
        }))}
      />
      {asked === undefined ? null : (
        <RegisterDialog project={asked} onRegistered={(text) => onRegistered(asked.id, text)} onClose={() => setAsked(undefined)} />
      )}
    </>
  )
}

const NO_NAMES: ReadonlyMap<string, string> = new Map()

/** By their names, as far as they are known. */
function SendingKeys({ ids, names }: { ids: readonly string[]; names: ReadonlyMap<string, string> }) {
  if (ids.length === 0) return <>not known</>
  return (
    <ul class="plain">
      {ids.map((id) => (
        <li key={id}>{names.has(id) ? <span title={id}>{names.get(id)}</span> : <code>{id}</code>}</li>
      ))}
    </ul>
  )
}
