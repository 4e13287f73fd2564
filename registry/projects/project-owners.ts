import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** Whose project it is. That never changes, so what was found is remembered for as long as there is room. */
export class ProjectOwners {
  readonly #clickhouse: ClickHouse
  readonly #known = new Map<string, string>()

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse
  }

  /**
   * Which of the projects belong to one of the partners; deleted ones too. At most one query. A project of another partner is
   * asked for like one that nobody registered, again each time, whatever is remembered of it: else the time that an answer
   * takes would tell the two apart. Throws StoreError.
   */
  async thoseOf(partnerIds: readonly string[], projectIds: Iterable<string>): Promise<ReadonlySet<string>> {
    const owned = new Set<string>()
    const asked = new Set<string>()
    for (const id of projectIds) {
      const owner = this.#known.get(id)
      ;(owner !== undefined && partnerIds.includes(owner) ? owned : asked).add(id)
    }
    if (asked.size === 0) return owned
    const found = await this.#clickhouse.registry.query(projectsOfPartners, { partnerIds: [...partnerIds], projectIds: [...asked] })
    for (const { projectId, partnerId } of found) {
      owned.add(projectId)
      if (this.#known.size >= PROJECTS_KEPT_MAX) this.#known.clear()
      this.#known.set(projectId, partnerId)
    }
    return owned
  }
}

const PROJECTS_KEPT_MAX = 100_000

/** Without FINAL: every revision of a project names the same partner. */
const projectsOfPartners = defineQuery({
  name: 'projects_of_partners',
  sql: `SELECT DISTINCT project_id AS projectId, partner_id AS partnerId FROM projects_v1
        WHERE project_id IN {projectIds: Array(String)} AND partner_id IN {partnerIds: Array(String)}`,
  params: z.object({ partnerIds: z.array(z.string()), projectIds: z.array(z.string()) }),
  row: z.object({ projectId: z.string(), partnerId: z.string() }),
})
