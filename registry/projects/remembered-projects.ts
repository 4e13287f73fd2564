import { LRUCache } from 'lru-cache'
import type { RegistryReads } from '../changes.ts'
import { findProject, type Project, type ProjectOfPartner } from './project.ts'

/** Projects as they were read, used again by their own partner while no project was written since (sql/writes.ts): on the embedded engine only. */
export class RememberedProjects {
  readonly #registry: RegistryReads
  readonly #projects = new LRUCache<string, { readonly project: Project; readonly written: string }>({ max: REMEMBERED_PROJECTS_MAX })

  constructor(registry: RegistryReads) {
    this.#registry = registry
  }

  /**
   * Undefined when the partner has no such project. A project of another partner is queried every time, like one that does not exist:
   * otherwise the response time would reveal which of the two it is. Throws StoreError.
   */
  async find({ partnerId, projectId }: ProjectOfPartner): Promise<Project | undefined> {
    const written = this.#written()
    const known = this.#projects.get(projectId)
    if (known !== undefined && known.written === written && known.project.partnerId === partnerId) return known.project
    const project = await findProject(this.#registry, projectId)
    if (project === undefined || project.partnerId !== partnerId) return undefined
    if (written !== undefined && written === this.#written()) this.#projects.set(projectId, { project, written })
    return project
  }

  #written(): string | undefined {
    return this.#registry.clickhouse.registry.writes?.state(PROJECTS_INBOX)
  }
}

/** Every project is written through it. */
export const PROJECTS_INBOX = 'projects_inbox_v2'
/** A project takes about a kilobyte. */
const REMEMBERED_PROJECTS_MAX = 20_000
