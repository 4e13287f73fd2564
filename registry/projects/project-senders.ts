import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'

/**
 * Which ingest keys sent events of which projects. Noted in memory with every request, and stored periodically if it is new to this
 * process. It only helps to find an emitter, so a crash may lose the last minute.
 */
export class ProjectSenders {
  readonly #clickhouse: ClickHouse
  readonly #pairsMax: number
  /** What this process has noted since it began, or since this was last full. */
  #noted = new Map<string, Set<string>>()
  #pairs = 0
  #unstored: Sender[] = []

  constructor(clickhouse: ClickHouse, { pairsMax = PAIRS_MAX }: { pairsMax?: number } = {}) {
    this.#clickhouse = clickhouse
    this.#pairsMax = pairsMax
  }

  note(ingestKeyId: string, projectId: string): void {
    const projects = this.#noted.get(ingestKeyId) ?? new Set()
    // While the store cannot be reached, further pairs are left out and noted again with their next events.
    if (projects.has(projectId) || this.#unstored.length >= this.#pairsMax) return
    if (this.#pairs >= this.#pairsMax) this.#forget()
    // A copy: an id that is read from a request keeps the text of its whole body in memory.
    const ownId = Buffer.from(projectId, 'utf8').toString('utf8')
    this.#noted.set(ingestKeyId, projects.add(ownId))
    this.#pairs += 1
    this.#unstored.push({ projectId: ownId, ingestKeyId })
  }

  /** Stores what is new since the last call. Idempotent, because equal rows replace each other. Throws StoreError. */
  async store(): Promise<void> {
    if (this.#unstored.length === 0) return
    const unstored = this.#unstored
    this.#unstored = []
    try {
      const text = unstored.map(({ projectId, ingestKeyId }) => row([projectId, ingestKeyId])).join('')
      await this.#clickhouse.registry.insert({ table: 'project_senders_v1', columns: ['project_id', 'ingest_key_id'], text })
    } catch (thrown) {
      this.#unstored = [...unstored, ...this.#unstored]
      throw thrown
    }
  }

  /** The ids of the ingest keys of each project, sorted, at most `keysMax`. What other processes have not stored yet is missing. Throws StoreError. */
  async of(projectIds: readonly string[], keysMax: number): Promise<ReadonlyMap<string, readonly string[]>> {
    if (projectIds.length === 0) return new Map()
    const stored = await this.#clickhouse.registry.query(sendersOfProjects, { projectIds: [...projectIds], keysMax })
    const senders = new Map(projectIds.map((id) => [id, new Set<string>()]))
    for (const { projectId, ingestKeyId } of [...stored, ...this.#unstored]) senders.get(projectId)?.add(ingestKeyId)
    return new Map([...senders].map(([id, keys]) => [id, [...keys].sort().slice(0, keysMax)]))
  }

  #forget(): void {
    this.#noted = new Map()
    this.#pairs = 0
  }
}

type Sender = z.output<typeof SenderRow>

/** Some 20 MB. Beyond it, pairs are stored again that were stored before. */
const PAIRS_MAX = 200_000

const SenderRow = z.object({ projectId: z.string(), ingestKeyId: z.string() })

const sendersOfProjects = defineQuery({
  name: 'senders_of_projects',
  sql: `SELECT project_id AS projectId, ingest_key_id AS ingestKeyId FROM project_senders_v1 FINAL
        WHERE project_id IN {projectIds: Array(String)} ORDER BY project_id, ingest_key_id LIMIT {keysMax: UInt64} BY project_id`,
  params: z.object({ projectIds: z.array(z.string()), keysMax: z.number() }),
  row: SenderRow,
})
