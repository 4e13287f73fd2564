import type { ComponentChildren } from 'preact'
import type { AdminRole } from '../contract/fields.ts'
import type { Subject } from './address/subject.ts'
import { ExportsPage } from './exports/exports-page.tsx'
import { MonthsPage } from './months/months-page.tsx'
import { AuditLogPage } from './operators/audit-log/audit-log-page.tsx'
import { AuditsPage } from './operators/audits/audits-page.tsx'
import { CredentialsPage } from './operators/credentials/credentials-page.tsx'
import { HealthPage } from './operators/health/health-page.tsx'
import { ServiceLogsPage } from './operators/health/service-logs-page.tsx'
import { RejectedPage } from './operators/rejected/rejected-page.tsx'
import { SecretsPage } from './operators/secrets/secrets-page.tsx'
import { SilentPage } from './operators/silent/silent-page.tsx'
import { UnregisteredPage } from './operators/unregistered/unregistered-page.tsx'
import { PartnerPages } from './partners/partner-pages.tsx'
import { ProjectPage } from './projects/project-page.tsx'
import { ProjectsPage } from './projects/projects-page.tsx'
import type { Session } from './session/session.ts'
import { StatementPage } from './statements/statement-page.tsx'
import { StatementsPage } from './statements/statements-page.tsx'
import { UsagePage } from './usage/usage-page.tsx'

export type PageGroup = 'Billing' | 'Operations' | 'Access'

/** A page: the first part of its URL, its name in the menu, and who sees it. */
export interface ShownPage {
  readonly path: string
  readonly title: string
  /** Under which heading of the menu. Pages without one come first. */
  readonly group?: PageGroup
  readonly isFor: (session: Session) => boolean
  /** `rest`: the further parts of the URL. */
  readonly show: (rest: readonly string[], session: Session) => ComponentChildren
}

const isPartner = ({ who }: Session) => who === 'partner'
const isProject = ({ who }: Session) => who === 'project'
const isAdmin =
  (...roles: readonly AdminRole[]) =>
  (session: Session) =>
    session.who === 'admin' && (session.role === 'admin' || roles.includes(session.role))

/** The partner of a session of its own. */
function ownSubject(session: Session): Subject {
  return { partnerId: session.who === 'admin' ? '' : session.partnerId, asAdmin: false }
}

/** Every page there is, in the order of the menu. */
export const SHOWN_PAGES: readonly ShownPage[] = [
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
  { path: 'months', title: 'Months', group: 'Billing', isFor: isAdmin('operator', 'finance'), show: () => <MonthsPage /> },
  { path: 'partners', title: 'Partners', group: 'Billing', isFor: isAdmin('operator', 'finance'), show: (rest) => <PartnerPages rest={rest} /> },
  { path: 'exports', title: 'Exports', group: 'Billing', isFor: isAdmin('operator', 'finance'), show: () => <ExportsPage /> },
  { path: 'health', title: 'Health', group: 'Operations', isFor: isAdmin('operator'), show: () => <HealthPage /> },
  { path: 'service-logs', title: 'Service logs', group: 'Operations', isFor: isAdmin('operator'), show: () => <ServiceLogsPage /> },
  { path: 'rejected', title: 'Rejected events', group: 'Operations', isFor: isAdmin('operator', 'emitter-manager'), show: () => <RejectedPage /> },
  {
    path: 'unregistered',
    title: 'Unregistered projects',
    group: 'Operations',
    isFor: isAdmin('operator', 'finance', 'emitter-manager'),
    show: () => <UnregisteredPage />,
  },
  { path: 'silent', title: 'Silent emitters', group: 'Operations', isFor: isAdmin('operator', 'finance', 'emitter-manager'), show: () => <SilentPage /> },
  { path: 'audits', title: 'Audits', group: 'Operations', isFor: isAdmin('operator', 'finance'), show: () => <AuditsPage /> },
  {
    path: 'credentials',
    title: 'Credentials',
    group: 'Access',
    isFor: isAdmin('operator', 'emitter-manager'),
    show: ([kind]) => <CredentialsPage kind={kind} />,
  },
  { path: 'secrets', title: 'Secrets', group: 'Access', isFor: isAdmin('operator'), show: () => <SecretsPage /> },
  { path: 'audit-log', title: 'Audit log', group: 'Access', isFor: isAdmin('operator', 'finance'), show: () => <AuditLogPage /> },
]
