import { z } from 'zod'
import { PROJECT_STATUSES, type ProjectStatus } from '../../contract/lists.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** A project of which the platform has not acknowledged the newest state. */
export interface PendingProject {
  readonly projectId: string
  readonly wantedRevision: number
}

/** This is the queue of deliveries: it reads the projects themselves, so no change can be missing from it. Throws StoreError. */
export function readPendingProjects({ registry }: ClickHouse): Promise<PendingProject[]> {
  return registry.query(pendingProjects, { limit: PENDING_READ_MAX })
}

export interface ProvisionedState {
  readonly projectId: string
  readonly status: ProjectStatus
  readonly provisionedRevision: number
}

/** What the platform has acknowledged of these projects. Throws StoreError. */
export function readProvisionedStates({ registry }: ClickHouse, projectIds: readonly string[]): Promise<ProvisionedState[]> {
  return registry.query(provisionedStates, { projectIds: [...projectIds] })
}

/** If more are pending, later sweeps read the rest. */
const PENDING_READ_MAX = 10_000

/**
 * Runs every few seconds and nearly always finds nothing. So the inner query reads two columns without FINAL, and only
 * projects with any revision that was pending are read in their newest state. In random order, so that beyond the limit no
 * project waits behind others that keep failing.
 */
const pendingProjects = defineQuery({
  name: 'pending_projects',
  sql: `SELECT project_id AS projectId, wanted_revision AS wantedRevision FROM projects_v1 FINAL
        WHERE project_id IN (SELECT project_id FROM projects_v1 WHERE provisioned_revision < wanted_revision) AND provisioned_revision < wanted_revision
        ORDER BY rand()
        LIMIT {limit: UInt64}`,
  params: z.object({ limit: z.number() }),
  row: z.object({ projectId: z.string(), wantedRevision: z.coerce.number() }),
})

const provisionedStates = defineQuery({
  name: 'provisioned_states',
  sql: `SELECT project_id AS projectId, status, provisioned_revision AS provisionedRevision FROM projects_v1 FINAL
        WHERE project_id IN {projectIds: Array(String)}`,
  params: z.object({ projectIds: z.array(z.string()) }),
  row: z.object({ projectId: z.string(), status: z.enum(PROJECT_STATUSES), provisionedRevision: z.coerce.number() }),
})
