import type { ComponentChildren } from 'preact'
import { linkTo } from '../address/address.ts'
import { linkOfSubject, type Subject } from '../address/subject.ts'
import { useAnswer } from '../calls/use-answer.ts'
import { Notice } from '../parts/notice.tsx'
import { Failure } from '../parts/shown-answer.tsx'
import { ProjectPage } from '../projects/project-page.tsx'
import { ProjectsPage } from '../projects/projects-page.tsx'
import { StatementPage } from '../statements/statement-page.tsx'
import { StatementsPage } from '../statements/statements-page.tsx'
import { UsagePage } from '../usage/usage-page.tsx'
import { EnabledBadge, PartnersPage } from './partners-page.tsx'
import { readPartner } from './read-partners.ts'

/** The list of partners, or a page of one of them: the pages that the partner has itself. `rest`: the parts of the URL. */
export function PartnerPages({ rest: [partnerId, section = 'usage', detail] }: { rest: readonly string[] }) {
  if (partnerId === undefined) return <PartnersPage />
  const subject = { partnerId, asAdmin: true }
  return (
    <div key={partnerId}>
      <PartnerHead subject={subject} section={section} />
      {pageOf(subject, section, detail)}
    </div>
  )
}

const SECTIONS: Readonly<Record<string, string>> = { usage: 'Usage', projects: 'Projects', statements: 'Statements' }

function pageOf(subject: Subject, section: string, detail: string | undefined): ComponentChildren {
  switch (section) {
    case 'usage':
      return <UsagePage subject={subject} />
    case 'projects':
      return detail === undefined ? <ProjectsPage subject={subject} /> : <ProjectPage subject={subject} projectId={detail} />
    case 'statements':
      return detail === undefined ? <StatementsPage subject={subject} /> : <StatementPage subject={subject} month={detail} />
    default:
      return (
        <Notice tone="warn">
          <strong>Not found</strong>
          <p>A partner has no such page. Choose one above.</p>
        </Notice>
      )
  }
}

/** Which partner is shown, and its pages. */
function PartnerHead({ subject, section }: { subject: Subject; section: string }) {
  const { partnerId } = subject
  const partner = useAnswer(`partner ${partnerId}`, (signal) => readPartner(partnerId, signal))
  return (
    <div class="partner-head no-print">
      <p>
        <a href={linkTo(['partners'])}>Partners</a> <span aria-hidden="true">›</span> {partner.state === 'ready' ? <strong>{partner.value.name}</strong> : null}{' '}
        <code>{partnerId}</code> {partner.state === 'ready' ? <EnabledBadge disabledAt={partner.value.disabled_at} /> : null}
      </p>
      {partner.state === 'failed' ? <Failure failure={partner.failure} what="partner" onRetry={partner.reload} /> : null}
      <nav aria-label="Pages of the partner">
        <ul>
          {Object.entries(SECTIONS).map(([path, title]) => (
            <li key={path}>
              <a href={linkOfSubject(subject, [path])} aria-current={path === section ? 'page' : undefined}>
                {title}
              </a>
            </li>
          ))}
        </ul>
      </nav>
    </div>
  )
}
