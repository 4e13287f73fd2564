import type { AdminRole } from '../contract/lists.ts'
import { OPERATORS } from './automation/operators-subject.ts'
import { SchedulesPage } from './automation/schedules/schedules-page.tsx'
import { SpikesPage } from './automation/spikes/spikes-page.tsx'
import { ThresholdsPage } from './automation/thresholds/thresholds-page.tsx'
import { WebhooksPage } from './automation/webhooks/webhooks-page.tsx'
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
import { isAdminOf, type Session } from './session/session.ts'
import type { ShownPage } from './shown-page.ts'

const isAdmin =
  (...roles: readonly AdminRole[]) =>
  (signedIn: Session) =>
    isAdminOf(signedIn, roles)

/** The pages of admins, in the order of the menu. They are loaded when an admin signs in. */
export const PAGES_OF_ADMINS: readonly ShownPage[] = [
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
  { path: 'schedules', title: 'Schedules', group: 'Automation', isFor: isAdmin('operator'), show: ([id]) => <SchedulesPage id={id} /> },
  { path: 'webhooks', title: 'Webhooks', group: 'Automation', isFor: isAdmin('operator'), show: () => <WebhooksPage /> },
  { path: 'thresholds', title: 'Thresholds', group: 'Automation', isFor: isAdmin('operator'), show: () => <ThresholdsPage /> },
  { path: 'spikes', title: 'Spikes', group: 'Automation', isFor: isAdmin('operator', 'finance'), show: () => <SpikesPage subject={OPERATORS} /> },
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
