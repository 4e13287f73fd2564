import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { type Account, findAccounts } from '../accounts.ts'
import { findPartners, type Partner } from '../partners.ts'
import { type NamedProject, PROJECT_SELECT, type Project, ProjectRow } from './project.ts'

/** What a change has to know before it can be decided. */
export interface Needs {
  readonly projectIds?: readonly string[]
  /** The projects with these names that are not deleted. */
  readonly names?: readonly NamedProject[]
  /** The active projects of these accounts. */
  readonly activeOfAccounts?: readonly string[]
  readonly accountIds?: readonly string[]
  readonly partnerIds?: readonly string[]
  /** When the newest project was created. */
  readonly newestCreation?: boolean
}

/**
 * What the changes of a group know: what is stored, read in bulk and once, and above it the rows that the changes before them
 * have decided. Reading what was not loaded throws, because a change that is decided on an assumption could give a name twice.
 */
export class KnownProjects {
  readonly #clickhouse: ClickHouse
  readonly #projects = new Map<string, Project | undefined>()
  readonly #accounts = new Map<string, Account | undefined>()
  readonly #partners = new Map<string, Partner | undefined>()
  /** Ids of projects that have, or had, a name or an account; each is checked again when it is read. */
  readonly #idsByName = new Map<string, Set<string>>()
  readonly #idsByAccount = new Map<string, Set<string>>()
  readonly #loadedNames = new Set<string>()
  readonly #loadedActive = new Set<string>()
  #createdMs: number | undefined

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse
  }

  /** Reads what is not known yet. Returns whether there was any. Throws StoreError. */
  async load(needs: readonly Needs[]): Promise<boolean> {
    const projectIds = unique(needs.flatMap((each) => each.projectIds ?? []).filter((id) => !this.hasProject(id)))
    const names = needs.flatMap((each) => each.names ?? []).filter((named) => !this.hasName(named))
    const activeOf = unique(needs.flatMap((each) => each.activeOfAccounts ?? []).filter((id) => !this.#loadedActive.has(id)))
    const accountIds = unique(needs.flatMap((each) => each.accountIds ?? []).filter((id) => !this.#accounts.has(id)))
    const partnerIds = unique(needs.flatMap((each) => each.partnerIds ?? []).filter((id) => !this.#partners.has(id)))
    const needsCreation = this.#createdMs === undefined && needs.some((each) => each.newestCreation === true)
    const loads = [
      ...(projectIds.length + names.length + activeOf.length > 0 ? [this.#loadProjects({ projectIds, names, activeOf })] : []),
      ...(accountIds.length > 0 ? [this.#loadInto(this.#accounts, accountIds, findAccounts)] : []),
      ...(partnerIds.length > 0 ? [this.#loadInto(this.#partners, partnerIds, findPartners)] : []),
      ...(needsCreation ? [this.#loadCreation()] : []),
    ]
    await Promise.all(loads)
    return loads.length > 0
  }

  hasProject(projectId: string): boolean {
    return this.#projects.has(projectId)
  }

  hasName(named: NamedProject): boolean {
    return this.#loadedNames.has(nameKey(named))
  }

  hasAccount(accountId: string): boolean {
    return this.#accounts.has(accountId)
  }

  /** Undefined when no project has this id. */
  project(projectId: string): Project | undefined {
    return loaded(this.#projects, projectId)
  }

  /** Undefined when there is no such account. */
  account(accountId: string): Account | undefined {
    return loaded(this.#accounts, accountId)
  }

  /** Undefined when there is no such partner. */
  partner(partnerId: string): Partner | undefined {
    return loaded(this.#partners, partnerId)
  }

  /** Of the projects with this name at most one is not deleted. */
  livingByName(named: NamedProject): Project | undefined {
    requireLoaded(this.hasName(named), named.name)
    const key = nameKey(named)
    return this.#projectsIn(this.#idsByName.get(key)).find((project) => project.status !== 'deleted' && nameKey(project) === key)
  }

  /** In the order of their creation. */
  activeOfAccount({ partnerId, accountId }: Pick<Project, 'partnerId' | 'accountId'>): Project[] {
    requireLoaded(this.#loadedActive.has(accountId), accountId)
    const active = this.#projectsIn(this.#idsByAccount.get(accountId)).filter(
      (project) => project.status === 'active' && project.accountId === accountId && project.partnerId === partnerId,
    )
    return active.sort((a, b) => a.createdMs - b.createdMs || (a.id < b.id ? -1 : 1))
  }

  /**
   * A time of creation later than that of every stored project, even when the clocks of the processes differ. Totals are kept
   * up to date by reading the projects registered since a time: one with an earlier time would be missed, and its usage would
   * be missing from its partner's bill. The projects of a group share it, because one insert makes them visible together.
   */
  createdMs(): number {
    if (this.#createdMs === undefined) throw notLoaded('the newest time of creation')
    return this.#createdMs
  }

  /** Adds what a change has decided, for the changes after it. */
  put({ project, account }: { project?: Project | undefined; account?: Account | undefined }): void {
    if (account !== undefined) this.#accounts.set(account.id, account)
    if (project === undefined) return
    this.#projects.set(project.id, project)
    add(this.#idsByName, nameKey(project), project.id)
    add(this.#idsByAccount, project.accountId, project.id)
  }

  async #loadProjects({ projectIds, names, activeOf }: { projectIds: string[]; names: NamedProject[]; activeOf: string[] }): Promise<void> {
    const places = names.map(({ partnerId, accountId, name }) => [partnerId, accountId, name])
    const found = await this.#clickhouse.registry.query(projectsToKnow, { projectIds, names: unique(names.map(({ name }) => name)), places, activeOf })
    // A project that a change of the group has decided is newer than what is stored.
    for (const project of found) if (this.#projects.get(project.id) === undefined) this.put({ project })
    for (const id of projectIds) if (!this.#projects.has(id)) this.#projects.set(id, undefined)
    for (const named of names) this.#loadedNames.add(nameKey(named))
    for (const accountId of activeOf) this.#loadedActive.add(accountId)
  }

  async #loadInto<T>(known: Map<string, T | undefined>, ids: string[], find: (registry: { clickhouse: ClickHouse }, ids: string[]) => Promise<Map<string, T>>) {
    const found = await find({ clickhouse: this.#clickhouse }, ids)
    for (const id of ids) known.set(id, found.get(id))
  }

  async #loadCreation(): Promise<void> {
    const [newest] = await this.#clickhouse.registry.query(newestCreation, {})
    this.#createdMs = Math.max(Date.now(), newest === undefined ? 0 : newest.createdMs + 1)
  }

  #projectsIn(ids: ReadonlySet<string> | undefined): Project[] {
    return [...(ids ?? [])].flatMap((id) => this.#projects.get(id) ?? [])
  }
}

function nameKey({ partnerId, accountId, name }: NamedProject): string {
  return JSON.stringify([partnerId, accountId, name])
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)]
}

function add(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key)
  if (ids === undefined) index.set(key, new Set([id]))
  else ids.add(id)
}

function loaded<T>(known: ReadonlyMap<string, T | undefined>, id: string): T | undefined {
  requireLoaded(known.has(id), id)
  return known.get(id)
}

function requireLoaded(isLoaded: boolean, what: string): void {
  if (!isLoaded) throw notLoaded(what)
}

function notLoaded(what: string): Error {
  return new Error(`A change was decided on ${what}, which it has not listed in its needs.`)
}

/**
 * The subquery reads only the columns that it compares, with the index on `name` and the one on `account_id`, and may find
 * projects that have since been renamed, moved or deleted. Only the projects that it finds are read as a whole.
 */
const projectsToKnow = defineQuery({
  name: 'projects_to_know',
  sql: `${PROJECT_SELECT}
        WHERE project_id IN (
          SELECT project_id FROM projects_v1 WHERE project_id IN {projectIds: Array(String)}
          UNION ALL
          SELECT project_id FROM projects_v1
          WHERE name IN {names: Array(String)} AND (partner_id, account_id, name) IN {places: Array(Tuple(String, String, String))} AND status != 'deleted'
          UNION ALL
          SELECT project_id FROM projects_v1 WHERE account_id IN {activeOf: Array(String)} AND status = 'active'
        )`,
  params: z.object({
    projectIds: z.array(z.string()),
    names: z.array(z.string()),
    places: z.array(z.array(z.string())),
    activeOf: z.array(z.string()),
  }),
  row: ProjectRow,
})

const newestCreation = defineQuery({
  name: 'newest_creation',
  sql: 'SELECT toUnixTimestamp64Milli(max(created_at)) AS createdMs FROM projects_v1 HAVING count() > 0',
  params: z.object({}),
  row: z.object({ createdMs: z.coerce.number() }),
})
