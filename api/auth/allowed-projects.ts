import { type Judged, rejectProjects } from '../../ingest/event/pipeline.ts'
import type { IngestKey, Registry } from '../../registry/registry.ts'

/** The events of a request, with those refused that the key may not send. A key of all projects asks nothing of the store. Throws StoreError. */
export async function checkProjectScope({ projectOwners }: Registry, { partnerIds }: Pick<IngestKey, 'partnerIds'>, judged: Judged[]): Promise<Judged[]> {
  if (partnerIds.length === 0) return judged
  const projectIds = new Set(judged.flatMap((each) => (each.status === 'valid' ? [each.event.projectId] : [])))
  return rejectProjects(judged, await projectOwners.thoseOf(partnerIds, projectIds))
}
