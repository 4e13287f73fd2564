import { z } from 'zod'
import type { PartnerMode } from '../../contract/lists.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import type { Lease } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { type Account, findAccounts } from '../accounts.ts'
import type { GroupChange } from '../changes.ts'
import { findPartners } from '../partners.ts'
import { FreeId } from './free-id.ts'
import { findProjects, type NamedProject, type Project } from './project.ts'

export type AccountOfPartner = Pick<Project, 'partnerId' | 'accountId'>

/** What a change has to know before it can be decided. */
export interface Needs {
  readonly projectIds?: readonly string[]
  /** The projects with these names that are not deleted. */
  readonly names?: readonly NamedProject[]
  /** The active projects of these accounts. */
  readonly activeOfAccounts?: readonly AccountOfPartner[]
  readonly accountIds?: readonly string[]
  readonly partnerIds?: readonly string[]
  /** When the newest project was created. */
  readonly newestCreation?: boolean
}

/**
 * What a process knows as long as it has the lease, without reading it for each group: a partner and its mode never change, and
 * no other process can create a project. If it has lost the lease without noticing, the fence rejects what it writes.
 */
interface KnownUnderLease {
  readonly partners: Map<string, PartnerMode>
  newestCreationMs: number | undefined
}

const KNOWN_UNDER_LEASE = new WeakMap<Lease, KnownUnderLease>()

/**
 * What the changes of a group know: what is stored, read in bulk and once, and above it the rows that the changes before them
 * have decided. Reading what was not loaded throws, because a change that is decided on an assumption could give a name twice.
 */
export class KnownProjects {
  readonly #clickhouse: ClickHouse
  readonly #underLease: KnownUnderLease
  readonly #projects = new Map<string, Project | undefined>()
  readonly #accounts = new Map<string, Account | undefined>()
  /** Ids of projects that have, or had, a name or an account; each is checked again when it is read. */
  readonly #idsByName = new Map<string, Set<string>>()
  readonly #idsByAccount = new Map<string, Set<string>>()
  readonly #loadedNames = new Set<string>()
  readonly #loadedActive = new Set<string>()
  readonly #missingPartners = new Set<string>()
  readonly #freeIds = new Map<string, FreeId>()
  #createdMs: number | undefined

  /** Like GroupChange.mayHaveLanded. */
  readonly mayHaveLanded: boolean

  constructor({ clickhouse, lease, mayHaveLanded }: Pick<GroupChange<unknown>, 'clickhouse' | 'lease' | 'mayHaveLanded'>) {
    this.#clickhouse = clickhouse
    this.mayHaveLanded = mayHaveLanded
    const underLease = KNOWN_UNDER_LEASE.get(lease) ?? { partners: new Map(), newestCreationMs: undefined }
    KNOWN_UNDER_LEASE.set(lease, underLease)
    this.#underLease = underLease
  }

  /** Reads what is not known yet. Returns whether there was any. Throws StoreError. */
  async load(needs: readonly Needs[]): Promise<boolean> {
    const projectIds = unique(needs.flatMap((each) => each.projectIds ?? []).filter((id) => !this.hasProject(id)))
    const names = needs.flatMap((each) => each.names ?? []).filter((named) => !this.hasName(named))
    const activeOf = needs.flatMap((each) => each.activeOfAccounts ?? []).filter((account) => !this.#loadedActive.has(accountKey(account)))
    const accountIds = unique(needs.flatMap((each) => each.accountIds ?? []).filter((id) => !this.hasAccount(id)))
    const partnerIds = unique(needs.flatMap((each) => each.partnerIds ?? []).filter((id) => !this.#hasPartner(id)))
    const needsCreation = this.#underLease.newestCreationMs === undefined && needs.some((each) => each.newestCreation === true)
    const loads = [
      ...(projectIds.length + names.length + activeOf.length > 0 ? [this.#loadProjects({ projectIds, names, activeOf })] : []),
      ...(accountIds.length > 0 ? [this.#loadAccounts(accountIds)] : []),
      ...(partnerIds.length > 0 ? [this.#loadPartners(partnerIds)] : []),
      ...(needsCreation ? [this.#loadNewestCreation()] : []),
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

  /** The mode of a partner; undefined when there is no such partner. */
  partnerMode(partnerId: string): PartnerMode | undefined {
    requireLoaded(this.#hasPartner(partnerId), partnerId)
    return this.#underLease.partners.get(partnerId)
  }

  /** Of the projects with this name at most one is not deleted. */
  livingByName(named: NamedProject): Project | undefined {
    requireLoaded(this.hasName(named), named.name)
    const key = nameKey(named)
    return this.#projectsIn(this.#idsByName.get(key)).find((project) => project.status !== 'deleted' && nameKey(project) === key)
  }

  /** The search for the next id of a name, which the changes of a group share. */
  freeId(named: NamedProject): FreeId {
    const key = nameKey(named)
    const isTaken = (id: string) => (this.hasProject(id) ? this.project(id) !== undefined : undefined)
    const freeId = this.#freeIds.get(key) ?? new FreeId(named, isTaken)
    this.#freeIds.set(key, freeId)
    return freeId
  }

  /** In the order of their creation. */
  activeOfAccount({ partnerId, accountId }: AccountOfPartner): Project[] {
    requireLoaded(this.#loadedActive.has(accountKey({ partnerId, accountId })), accountId)
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
    if (this.#createdMs !== undefined) return this.#createdMs
    const { newestCreationMs } = this.#underLease
    if (newestCreationMs === undefined) throw notLoaded('the newest time of creation')
    this.#createdMs = Math.max(Date.now(), newestCreationMs + 1)
    this.#underLease.newestCreationMs = this.#createdMs
    return this.#createdMs
  }

  /** Adds what a change has decided, for the changes after it. */
  put({ project, account }: { project?: Project | undefined; account?: Account | undefined }): void {
    if (account !== undefined) this.#accounts.set(account.id, account)
    if (project === undefined) return
    this.#projects.set(project.id, project)
    // A name may have been deleted and created again thousands of times, and nobody looks for deleted projects by their name.
    if (project.status === 'deleted') return
    add(this.#idsByName, nameKey(project), project.id)
    add(this.#idsByAccount, project.accountId, project.id)
  }

  async #loadProjects({ projectIds, names, activeOf }: { projectIds: string[]; names: NamedProject[]; activeOf: AccountOfPartner[] }): Promise<void> {
    const [byName, byAccount] = await Promise.all([this.#candidatesByName(projectIds, names), this.#candidatesByAccount(activeOf)])
    const candidates = unique([...byName, ...byAccount]).filter((id) => this.#projects.get(id) === undefined)
    const found = candidates.length === 0 ? new Map<string, Project>() : await findProjects({ clickhouse: this.#clickhouse }, candidates)
    for (const project of found.values()) this.put({ project })
    for (const id of projectIds) if (!this.#projects.has(id)) this.#projects.set(id, undefined)
    for (const named of names) this.#loadedNames.add(nameKey(named))
    for (const account of activeOf) this.#loadedActive.add(accountKey(account))
  }

  async #candidatesByName(projectIds: string[], named: readonly NamedProject[]): Promise<string[]> {
    if (named.length === 0) return projectIds
    const each = (field: keyof NamedProject) => unique(named.map((project) => project[field]))
    // Names that were stored before they were normalised may be in either form.
    const names = unique(each('name').flatMap((name) => [name, name.normalize('NFC'), name.normalize('NFD')]))
    const places = { names, accountIds: each('accountId'), partnerIds: each('partnerId') }
    const found = await this.#clickhouse.registry.query(candidatesByIdOrName, { projectIds, ...places })
    return found.map(({ id }) => id)
  }

  /** Of the account's own partner only: the number of queries must not show that an account of another partner exists. */
  async #candidatesByAccount(activeOf: readonly AccountOfPartner[]): Promise<string[]> {
    if (activeOf.length === 0) return []
    const accountIds = unique(activeOf.map(({ accountId }) => accountId))
    const accounts = activeOf.map(({ partnerId, accountId }): [string, string] => [partnerId, accountId])
    return (await this.#clickhouse.registry.query(candidatesByAccount, { accountIds, accounts })).map(({ id }) => id)
  }

  async #loadAccounts(accountIds: readonly string[]): Promise<void> {
    const found = await findAccounts({ clickhouse: this.#clickhouse }, accountIds)
    for (const id of accountIds) this.#accounts.set(id, found.get(id))
  }

  async #loadPartners(partnerIds: readonly string[]): Promise<void> {
    const found = await findPartners({ clickhouse: this.#clickhouse }, partnerIds)
    for (const [id, { mode }] of found) this.#underLease.partners.set(id, mode)
    for (const id of partnerIds) if (!found.has(id)) this.#missingPartners.add(id)
  }

  async #loadNewestCreation(): Promise<void> {
    const [newest] = await this.#clickhouse.registry.query(newestCreation, {})
    this.#underLease.newestCreationMs = newest?.createdMs ?? 0
  }

  #hasPartner(partnerId: string): boolean {
    return this.#underLease.partners.has(partnerId) || this.#missingPartners.has(partnerId)
  }

  #projectsIn(ids: ReadonlySet<string> | undefined): Project[] {
    return [...(ids ?? [])].flatMap((id) => this.#projects.get(id) ?? [])
  }
}

function accountKey({ partnerId, accountId }: AccountOfPartner): string {
  return JSON.stringify([partnerId, accountId])
}

function nameKey({ partnerId, accountId, name }: NamedProject): string {
  return JSON.stringify([partnerId, accountId, name.normalize('NFC')])
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
 * Projects with these ids or names. Reads only the columns that it compares, and may find projects that have since been renamed
 * or deleted, or have the name of another place: each is checked when it is read. Most registrations find none, and read no more.
 */
const candidatesByIdOrName = defineQuery({
  name: 'candidates_by_id_or_name',
  sql: `SELECT project_id AS id FROM projects_v1 WHERE project_id IN {projectIds: Array(String)}
        UNION DISTINCT
        SELECT project_id AS id FROM projects_v1
        WHERE name IN {names: Array(String)} AND account_id IN {accountIds: Array(String)} AND partner_id IN {partnerIds: Array(String)}
          AND status != 'deleted'`,
  params: z.object({ projectIds: z.array(z.string()), names: z.array(z.string()), accountIds: z.array(z.string()), partnerIds: z.array(z.string()) }),
  row: z.object({ id: z.string() }),
})

/** May find projects that have since been paused, moved or deleted. */
const candidatesByAccount = defineQuery({
  name: 'candidates_by_account',
  sql: `SELECT DISTINCT project_id AS id FROM projects_v1
        WHERE account_id IN {accountIds: Array(String)} AND (partner_id, account_id) IN {accounts: Array(Tuple(String, String))} AND status = 'active'`,
  params: z.object({ accountIds: z.array(z.string()), accounts: z.array(z.tuple([z.string(), z.string()])) }),
  row: z.object({ id: z.string() }),
})

const newestCreation = defineQuery({
  name: 'newest_creation',
  sql: 'SELECT toUnixTimestamp64Milli(max(created_at)) AS createdMs FROM projects_v1 HAVING count() > 0',
  params: z.object({}),
  row: z.object({ createdMs: z.coerce.number() }),
})
