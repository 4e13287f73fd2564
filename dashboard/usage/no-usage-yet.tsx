import { showDay } from '../numbers/show-time.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import type { ShownUsage } from './shown-usage.ts'

/** Says that there is nothing to show, and how the first event is sent. */
export function NoUsageYet({ of, projectId, period, wasUsedBefore }: ShownUsage & { wasUsedBefore: boolean }) {
  const curl = firstEventCurl(projectId ?? 'my-project')
  return (
    <section class="empty panel">
      <h2>
        No usage from {showDay(period.first)} to {showDay(period.last)}
      </h2>
      {wasUsedBefore ? (
        <p>There was usage in the period before. Choose another period, or check whether the emitter still sends events.</p>
      ) : (
        <>
          <p>
            Choose another period. If nothing was ever sent, {of === 'project' ? 'this project has' : 'these projects have'} no usage yet: send the first event.
          </p>
          <p class="hint">The platform sends events, with an ingest key:</p>
          <pre>{curl}</pre>
          <CopyButton text={curl}>Copy the command</CopyButton>
        </>
      )}
    </section>
  )
}

function firstEventCurl(projectId: string): string {
  const event = { event_id: 'first-event', project_id: projectId, metric: 'ai_tokens', value: '1500', timestamp: new Date().toISOString() }
  return [
    `curl ${new URL('./v1/events', document.baseURI).href} \\`,
    `  -H "Authorization: Bearer $METERLINE_INGEST_KEY" -H 'Content-Type: application/json' \\`,
    `  -d '${JSON.stringify(event)}'`,
  ].join('\n')
}
