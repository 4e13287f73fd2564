import { listSilentProjects } from '../../aggregator/usage/silent-projects.ts'
import { firstDayOf, listUnregisteredProjects } from '../../aggregator/usage/unregistered-projects.ts'
import { REPORTED_DAYS_DEFAULT } from '../../contract/silent-projects.ts'
import { UNREGISTERED_DAYS_DEFAULT } from '../../contract/unregistered-projects.ts'
import { monthOf } from '../../metering/month.ts'
import { dayOf, formatTimestamp } from '../../metering/timestamp.ts'
import type { Announcer } from './announcer.ts'
import { type Endpoint, readEndpoints } from './endpoints.ts'
import { type Message, messageBody, messageId } from './messages.ts'
import { recipientsOf } from './recipients.ts'

const PAGE_ROWS = 1_000

/** Announces once each silence of a project in a metric. Complete days only, so it is worth running once a day. Throws StoreError. */
export async function announceSilentProjects({ clickhouse, queue, now }: Announcer): Promise<void> {
  await queue.offer(async () => {
    const endpoints = subscribed(await readEndpoints({ clickhouse }), 'project.silent')
    if (endpoints.length === 0) return []
    const { silent } = await listSilentProjects(clickhouse, REPORTED_DAYS_DEFAULT, now())
    return silent.flatMap(({ projectId, partnerId, metric, lastDay, silentDays, lastEventMs }): Message[] => {
      const about = { type: 'project.silent' as const, partnerId: partnerId ?? '', sinceMs: now() }
      const data = {
        project_id: projectId,
        partner_id: partnerId,
        metric,
        last_day: lastDay,
        silent_days: silentDays,
        last_event_at: formatTimestamp(lastEventMs),
      }
      const id = messageId(['project.silent', projectId, metric, lastDay])
      return messagesTo(endpoints, about, { id, data, nowMs: now() })
    })
  })
}

/** Announces to operators each project with usage that is not registered, once a month. Throws StoreError. */
export async function announceUnregisteredProjects({ clickhouse, queue, now }: Announcer): Promise<void> {
  await queue.offer(async () => {
    const endpoints = subscribed(await readEndpoints({ clickhouse }), 'project.unregistered')
    if (endpoints.length === 0) return []
    const from = firstDayOf(UNREGISTERED_DAYS_DEFAULT, now())
    return (await listAll((after) => listUnregisteredProjects(clickhouse, { from, after, limit: PAGE_ROWS }))).flatMap(
      ({ projectId, events, firstDay, lastDay }): Message[] => {
        const about = { type: 'project.unregistered' as const, partnerId: '', sinceMs: now() }
        const id = messageId(['project.unregistered', projectId, monthOf(dayOf(now()))])
        return messagesTo(endpoints, about, { id, data: { project_id: projectId, events, first_day: firstDay, last_day: lastDay }, nowMs: now() })
      },
    )
  })
}

/** All pages of a list by project id. */
async function listAll<T extends { readonly projectId: string }>(pageAfter: (after: string) => Promise<readonly T[]>): Promise<T[]> {
  const all: T[] = []
  for (let after = ''; ; ) {
    const page = await pageAfter(after)
    all.push(...page)
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE_ROWS) return all
    after = last.projectId
  }
}

function subscribed(endpoints: readonly Endpoint[], type: Message['type']): readonly Endpoint[] {
  return endpoints.filter(({ events }) => events.includes(type))
}

/** No message without a recipient: an endpoint that is added later is notified then. */
function messagesTo(
  endpoints: readonly Endpoint[],
  about: Parameters<typeof recipientsOf>[1],
  { id, data, nowMs }: { id: string; data: object; nowMs: number },
): Message[] {
  const endpointIds = recipientsOf(endpoints, about)
  if (endpointIds.length === 0) return []
  return [{ id, type: about.type, partnerId: about.partnerId, endpointIds, body: messageBody(about.type, nowMs, data), createdMs: nowMs }]
}
