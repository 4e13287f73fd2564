import type { Arrival } from '../../ingest/event/arrival.ts'
import { type AllowedProjects, projectIdsOf } from '../../ingest/event/pipeline.ts'
import type { IngestKey } from '../../registry/credentials/ingest-keys.ts'
import type { Registry } from '../../registry/registry.ts'

/** Which projects of these events the ingest key may send for: at most one query, and none for a key of all projects. Throws StoreError. */
export async function findAllowedProjects(
  { projectOwners }: Registry,
  { partnerIds }: Pick<IngestKey, 'partnerIds'>,
  arrivals: readonly Arrival[],
): Promise<AllowedProjects> {
  return partnerIds.length === 0 ? 'all' : projectOwners.ownedBy(partnerIds, projectIdsOf(arrivals))
}
