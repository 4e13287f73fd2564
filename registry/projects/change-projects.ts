import { type Account, writeAccounts } from '../accounts.ts'
import type { Actor, AuditedChange, NotedChange } from '../audit-log.ts'
import type { ChangeKind, GroupChange, RegistryStore } from '../changes.ts'
import { KnownProjects, type Needs } from './known-projects.ts'
import { type Project, writeProjects } from './project.ts'

/** A change of a project or an account. Both functions may be called again, when another process has acquired the lease. */
export interface ProjectChange<T> {
  /** What the change has to know, as far as it can say from what is known already; asked again until nothing is missing. */
  needs(known: KnownProjects): Needs
  decide(known: KnownProjects): Decision<T>
}

export interface Decision<T> {
  readonly outcome: T
  /** What is written; undefined when nothing changes. */
  readonly write?: DecidedWrite
}

interface DecidedWrite {
  readonly noted: AuditedChange
  readonly project?: Project
  readonly account?: Account
}

/** Throws StoreError, TooManyWaiting. */
export async function changeProject<T>(registry: RegistryStore, actor: Actor, change: ProjectChange<T>): Promise<T> {
  const [outcome] = await changeProjects(registry, actor, [change])
  return outcome as T
}

/**
 * Carries out changes in order, each deciding on what those before it have decided, and returns their outcomes. A change that
 * is rejected, or throws, does not affect the others. Throws StoreError, TooManyWaiting.
 */
export async function changeProjects<T>(registry: RegistryStore, actor: Actor, changes: readonly ProjectChange<T>[]): Promise<T[]> {
  if (changes.length === 0) return []
  const outcomes: T[] = []
  const failures = new Map<number, unknown>()
  const request = changes.map((change, index) => ({
    needs: (known: KnownProjects) => change.needs(known),
    decide: (known: KnownProjects) => {
      failures.delete(index)
      try {
        const { outcome, write } = change.decide(known)
        outcomes[index] = outcome
        return write
      } catch (thrown) {
        failures.set(index, thrown)
        return undefined
      }
    },
  }))
  await registry.changes.runTogether(actor, { kind: PROJECTS, request, items: changes.length })
  for (const thrown of failures.values()) throw thrown
  return outcomes
}

/** A change whose caller has its outcome already. */
interface ChangeOfGroup {
  needs(known: KnownProjects): Needs
  decide(known: KnownProjects): DecidedWrite | undefined
}

/** After so many reads no further changes join: if they kept arriving, the first ones would wait for all of them. */
const JOINS_MAX = 2

/**
 * The order is the guarantee:
 * 1. Read what the changes need, in bulk, under the lease. Changes that arrive meanwhile join the group.
 * 2. Decide them in order.
 * 3. Write all entries of the audit log. A crash after this leaves entries of changes that did not happen, as one change alone does.
 * 4. Write the accounts, then the projects, because a project may belong to an account of the same group. A crash in between
 *    leaves some of the changes, none of which was answered: a repeated call finds what landed.
 */
const PROJECTS: ChangeKind<readonly ChangeOfGroup[]> = {
  carryOut: async (group) => {
    const known = new KnownProjects(group)
    for (let reads = 0; await known.load(changesOf(group).map(({ change }) => change.needs(known))); reads += 1) {
      if (reads < JOINS_MAX) group.takeWaiting()
    }
    const noted: NotedChange[] = []
    // Of several changes of one project or account, the last one has the greatest revision, and contains the others.
    const accounts = new Map<string, Account>()
    const projects = new Map<string, Project>()
    for (const { actor, change } of changesOf(group)) {
      // The changes before it may have led it elsewhere.
      while (await known.load([change.needs(known)])) {}
      const write = change.decide(known)
      if (write === undefined) continue
      const { noted: entry, account, project } = write
      known.put(write)
      noted.push({ actor, noted: entry })
      if (account !== undefined) accounts.set(account.id, account)
      if (project !== undefined) projects.set(project.id, project)
    }
    await group.note(noted)
    await writeAccounts(group, [...accounts.values()])
    await writeProjects(group, [...projects.values()])
  },
}

function changesOf({ requested }: GroupChange<readonly ChangeOfGroup[]>): { actor: Actor; change: ChangeOfGroup }[] {
  return requested.flatMap(({ actor, request }) => request.map((change) => ({ actor, change })))
}
