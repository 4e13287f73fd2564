import { announceSpikes } from '../../../automation/spikes/announce-spikes.ts'
import { listSpikes } from '../../../automation/spikes/list-spikes.ts'
import { MessageQueue } from '../../../automation/webhooks/message-queue.ts'
import { dayOf, MS_PER_DAY } from '../../../metering/timestamp.ts'
import { untilSo } from '../until-so.ts'
import type { TestService } from './test-service.ts'

/**
 * Gives each project 200,001 to 200,008 tokens on the weekday of yesterday in the 8 weeks before and `value` yesterday, and announces the
 * spike as the background job does within an hour. Returns the day. Each project is used once.
 */
export async function makeSpikes({ service, client }: TestService, values: Readonly<Record<string, string>>): Promise<string> {
  const day = dayOf(Date.now() - MS_PER_DAY)
  const event = (project_id: string, on: string, value: string) => {
    return { event_id: `tokens of ${on}`, project_id, metric: 'ai_tokens', value, timestamp: `${on}T12:00:00Z` }
  }
  for (const [project, value] of Object.entries(values)) {
    const weeks = Array.from({ length: 8 }, (_, index) => index + 1)
    await client.send([
      ...weeks.map((week) => event(project, dayOf(Date.parse(day) - 7 * week * MS_PER_DAY), String(200_000 + week))),
      event(project, day, value),
    ])
  }
  const { clickhouse } = service
  const queue = new MessageQueue(clickhouse)
  await untilSo(async () => {
    await announceSpikes({ clickhouse, queue, now: Date.now })
    const listed = await listSpikes(clickhouse, { from: day }, { after: undefined, limit: 1_000 })
    return Object.keys(values).every((project) => listed.some(({ data }) => data.project_id === project))
  })
  return day
}
