import type { Subject } from '../address/subject.ts'
import { useAnswer } from '../calls/use-answer.ts'
import { Notice } from '../parts/notice.tsx'
import { ShownAnswer } from '../parts/shown-answer.tsx'
import { hasPartnerSecret } from '../session/session.ts'

/** Loads the page of notifications, which only a partner with its secret may use: tokens may read usage, and nothing else. */
export function Notifications({ subject }: { subject: Subject }) {
  if (!hasPartnerSecret())
    return (
      <>
        <div class="heading">
          <h1>Notifications</h1>
        </div>
        <Notice tone="warn">
          <strong>Not allowed with a token</strong>
          <p>Webhooks and thresholds need the partnership secret. Sign out, then sign in with it, without keeping you signed in in this tab.</p>
        </Notice>
      </>
    )
  return <LoadedNotifications subject={subject} />
}

function LoadedNotifications({ subject }: { subject: Subject }) {
  const page = useAnswer('notifications', async () => (await import('./notifications-page.tsx')).NotificationsPage)
  return (
    <ShownAnswer answer={page} what="page">
      {(NotificationsPage) => <NotificationsPage subject={subject} />}
    </ShownAnswer>
  )
}
