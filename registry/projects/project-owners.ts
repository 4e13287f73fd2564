import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import type { Project, ProjectOfPartner } from './project.ts'

/** Caches which partner owns a project. Owners never change, so entries do not expire; a full cache drops the least recently used. */
export class ProjectOwners {
  readonly #clickhouse: ClickHouse
  readonly #owners = new LRUCache<string, string>({ max: CACHED_PROJECTS_MAX })

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse
  }

  /** Whether this process knows already that the partner owns the project, deleted or not. Costs no query. */
  isKnown({ partnerId, projectId }: ProjectOfPartner): boolean {
    return this.#owners.get(projectId) === partnerId
  }

  note({ id, partnerId }: Pick<Project, 'id' | 'partnerId'>): void {
    this.#owners.set(id, partnerId)
  }

  /**
   * Those of the projects that belong to one of the partners, deleted ones included. At most one query. A project of another
   * partner is queried every time, like one that is not registered, even when its owner is cached: otherwise the response
   * time would reveal which of the two it is. Throws StoreError.
   */
  async ownedBy(partnerIds: readonly string[], projectIds: Iterable<string>): Promise<ReadonlySet<string>> {
    const owned = new Set<string>()
    const unconfirmed = new Set<string>()
    for (const id of projectIds) {
      const owner = this.#owners.get(id)
      ;(owner !== undefined && partnerIds.includes(owner) ? owned : unconfirmed).add(id)
    }
    if (unconfirmed.size === 0) return owned
    const found = await this.#clickhouse.registry.query(projectsOfPartners, { partnerIds: [...partnerIds], projectIds: [...unconfirmed] })
    for (const { projectId, partnerId } of found) {
      owned.add(projectId)
      this.#owners.set(projectId, partnerId)
    }
    return owned
  }
}

const CACHED_PROJECTS_MAX = 100_000

/** Without FINAL, because every revision of a project names the same partner. */
const projectsOfPartners = defineQuery({
  name: 'projects_of_partners',
  sql: `SELECT DISTINCT project_id AS projectId, partner_id AS partnerId FROM projects_v1
        WHERE project_id IN {projectIds: Array(String)} AND partner_id IN {partnerIds: Array(String)}`,
  params: z.object({ partnerIds: z.array(z.string()), projectIds: z.array(z.string()) }),
  row: z.object({ projectId: z.string(), partnerId: z.string() }),
})
