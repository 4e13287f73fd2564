import type { Subject } from './address/subject.ts'
import { Notifications } from './automation/notifications.tsx'
import { SpikesPage } from './automation/spikes/spikes-page.tsx'
import { ProjectPage } from './projects/project-page.tsx'
import { ProjectsPage } from './projects/projects-page.tsx'
import type { Session } from './session/session.ts'
import type { ShownPage } from './shown-page.ts'
import { StatementPage } from './statements/statement-page.tsx'
import { StatementsPage } from './statements/statements-page.tsx'
import { UsagePage } from './usage/usage-page.tsx'

const isPartner = ({ who }: Session) => who === 'partner'
const isProject = ({ who }: Session) => who === 'project'

/** The partner of a session of its own. */
function ownSubject(session: Session): Subject {
  return { partnerId: session.who === 'admin' ? '' : session.partnerId, asAdmin: false }
}

/** The pages of partners, and of a project, in the order of the menu. */
export const PAGES_OF_PARTNERS: readonly ShownPage[] = [
  { path: 'usage', title: 'Usage', isFor: isPartner, show: (_, session) => <UsagePage subject={ownSubject(session)} /> },
  {
    path: 'projects',
    title: 'Projects',
    isFor: isPartner,
    show: ([projectId], session) =>
      projectId === undefined ? <ProjectsPage subject={ownSubject(session)} /> : <ProjectPage subject={ownSubject(session)} projectId={projectId} />,
  },
  {
    path: 'project',
    title: 'Usage of the project',
    isFor: isProject,
    show: (_, session) => (session.who === 'project' ? <ProjectPage subject={ownSubject(session)} projectId={session.projectId} /> : null),
  },
  {
    path: 'statements',
    title: 'Statements',
    isFor: isPartner,
    show: ([month], session) =>
      month === undefined ? <StatementsPage subject={ownSubject(session)} /> : <StatementPage subject={ownSubject(session)} month={month} />,
  },
  { path: 'spikes', title: 'Spikes', isFor: isPartner, show: (_, session) => <SpikesPage subject={ownSubject(session)} /> },
  { path: 'notifications', title: 'Notifications', isFor: isPartner, show: (_, session) => <Notifications subject={ownSubject(session)} /> },
]
