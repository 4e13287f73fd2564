import type { MeterlineClient } from '../support/clients/client.ts'
import { type Fold, windowsOf } from './fold.ts'

/** Compares the states of all correction batches, as the service lists them, with the fold. */
export async function compareBatches(client: MeterlineClient, fold: Fold): Promise<string[]> {
  const differences: string[] = []
  const closed = new Set(windowsOf(fold).map(({ batch }) => batch))
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body } = await client.admin('GET', `/admin/v1/correction-batches?limit=100${cursor === '' ? '' : `&cursor=${cursor}`}`)
    for (const { id, project_id, state, events } of body.batches) {
      const project = fold.projects.get(project_id)
      const expected = project?.windows.has(`revert-${id}`) ? 'reverted' : project?.windows.has(`close-${id}`) ? 'closed' : 'open'
      const sent = [...(project?.events.values() ?? [])].filter(({ batch }) => batch === id).length
      if (state !== expected || events !== String(sent)) differences.push(`batches: ${id} is ${state} with ${events} events, not ${expected} with ${sent}`)
      closed.delete(id)
    }
    cursor = body.next_cursor
  }
  return [...differences, ...[...closed].map((id) => `batches: ${id} was closed and is not listed`)]
}
