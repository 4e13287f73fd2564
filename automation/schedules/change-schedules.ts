import { randomUUID } from 'node:crypto'
import { REQUESTED_RUNS_MAX, SCHEDULES_MAX, type ScheduleDefinition } from '../../contract/schedules.ts'
import type { Actor } from '../../registry/audit-log.ts'
import type { RegistryStore } from '../../registry/changes.ts'
import { findPartner } from '../../registry/partners.ts'
import { findSecrets } from '../../registry/secrets/stored-secrets.ts'
import { type CheckOptions, checkDefinition, type DefinitionProblem, secretKeysOf } from './check-definition.ts'
import { readNewestRuns, runIdOf } from './schedule-runs.ts'
import { countSchedules, findSchedule, type StoredSchedule } from './stored-schedules.ts'
import { writeSchedule } from './write-schedule.ts'

/** What a function needs that changes schedules. */
export interface ScheduleStore extends RegistryStore, CheckOptions {
  /** ms since 1970. */
  readonly now: () => number
}

/** With any of these, nothing was changed. */
export type Rejection =
  | ({ readonly status: 'invalid' } & DefinitionProblem)
  | { readonly status: 'secret_not_found'; readonly key: string }
  | { readonly status: 'partner_not_found' }

export type CreateScheduleOutcome = Rejection | { readonly status: 'full' } | { readonly status: 'created'; readonly schedule: StoredSchedule }

export interface NewSchedule {
  readonly name: string
  readonly definition: ScheduleDefinition
  readonly isActive: boolean
}

/** Throws StoreError. */
export async function createSchedule(store: ScheduleStore, actor: Actor, { name, definition, isActive }: NewSchedule): Promise<CreateScheduleOutcome> {
  const id = randomUUID()
  return store.changes.run<CreateScheduleOutcome>(actor, async (change) => {
    // The schedule may be this call's own, written by an attempt whose response was lost.
    const known = await findSchedule(store.clickhouse, id)
    if (known !== undefined) return { status: 'created', schedule: known }
    const rejection = await rejectionOf(store, definition)
    if (rejection !== undefined) return rejection
    if ((await countSchedules(store.clickhouse)) >= SCHEDULES_MAX) return { status: 'full' }
    const nowMs = store.now()
    const times = { activeFromMs: nowMs, createdMs: nowMs, updatedMs: nowMs }
    const schedule: StoredSchedule = { id, revision: 1, name, definition, isActive, isDeleted: false, requestedMs: [], ...times }
    await change.note({ action: 'schedule.create', subject: id, details: detailsOf(schedule) })
    await writeSchedule(change, schedule)
    return { status: 'created', schedule }
  })
}

export type UpdateScheduleOutcome = Rejection | { readonly status: 'not_found' } | { readonly status: 'updated'; readonly schedule: StoredSchedule }

/** Undefined fields are not changed. */
export interface ScheduleChange {
  readonly name?: string | undefined
  readonly definition: { readonly [Field in keyof ScheduleDefinition]?: ScheduleDefinition[Field] | undefined }
  readonly isActive?: boolean | undefined
}

/** Throws StoreError. */
export async function updateSchedule(store: ScheduleStore, actor: Actor, id: string, changed: ScheduleChange): Promise<UpdateScheduleOutcome> {
  return store.changes.run<UpdateScheduleOutcome>(actor, async (change) => {
    const known = await findSchedule(store.clickhouse, id)
    if (known === undefined) return { status: 'not_found' }
    const given = Object.fromEntries(Object.entries(changed.definition).filter(([, value]) => value !== undefined))
    const definition: ScheduleDefinition = { ...known.definition, ...given }
    const { name = known.name, isActive = known.isActive } = changed
    const hasNewDefinition = JSON.stringify(definition) !== JSON.stringify(known.definition)
    // What is wrong by now, such as an address that is no longer allowed, must not keep anybody from pausing the schedule.
    const rejection = hasNewDefinition || isActive ? await rejectionOf(store, definition) : undefined
    if (rejection !== undefined) return rejection
    if (!hasNewDefinition && name === known.name && isActive === known.isActive) return { status: 'updated', schedule: known }
    const nowMs = store.now()
    // Due times while it was paused, or by another rule, are not made up for.
    const hasNewTiming = definition.cronSchedule !== known.definition.cronSchedule || definition.timezone !== known.definition.timezone
    const activeFromMs = (isActive && !known.isActive) || hasNewTiming ? nowMs : known.activeFromMs
    const schedule: StoredSchedule = { ...known, name, definition, isActive, activeFromMs, updatedMs: nowMs, revision: known.revision + 1 }
    await change.note({ action: 'schedule.update', subject: id, details: detailsOf(schedule) })
    await writeSchedule(change, schedule)
    return { status: 'updated', schedule }
  })
}

export type DeleteScheduleOutcome = { readonly status: 'not_found' } | { readonly status: 'deleted'; readonly name: string }

/** A run in progress is completed. Throws StoreError. */
export async function deleteSchedule(store: ScheduleStore, actor: Actor, id: string): Promise<DeleteScheduleOutcome> {
  let name: string | undefined
  return store.changes.run<DeleteScheduleOutcome>(actor, async (change) => {
    const known = await findSchedule(store.clickhouse, id)
    // After an attempt whose response was lost, the schedule is gone.
    if (known === undefined) return name === undefined ? { status: 'not_found' } : { status: 'deleted', name }
    name = known.name
    await change.note({ action: 'schedule.delete', subject: id })
    await writeSchedule(change, { ...known, isDeleted: true, isActive: false, updatedMs: store.now(), revision: known.revision + 1 })
    return { status: 'deleted', name }
  })
}

export type RequestRunOutcome =
  | { readonly status: 'not_found' }
  | { readonly status: 'waiting' }
  | { readonly status: 'requested'; readonly runId: string; readonly dueMs: number }

/** Asks for a run with a due time of its own. The process that runs the schedules begins it. Throws StoreError. */
export async function requestRun(store: ScheduleStore, actor: Actor, id: string): Promise<RequestRunOutcome> {
  let dueMs: number | undefined
  return store.changes.run<RequestRunOutcome>(actor, async (change) => {
    const known = await findSchedule(store.clickhouse, id)
    if (known === undefined) return { status: 'not_found' }
    if (dueMs !== undefined && known.requestedMs.includes(dueMs)) return { status: 'requested', runId: runIdOf({ scheduleId: id, dueMs }), dueMs }
    const newest = (await readNewestRuns(store.clickhouse, store.now())).find(({ scheduleId, kind }) => scheduleId === id && kind === 'manual')
    const waiting = known.requestedMs.filter((each) => each > (newest?.dueMs ?? 0))
    if (waiting.length >= REQUESTED_RUNS_MAX) return { status: 'waiting' }
    const afterMs = Math.max(store.now(), (newest?.dueMs ?? 0) + 1, (waiting.at(-1) ?? 0) + 1)
    // Never a whole second, which may be the due time of a scheduled run.
    dueMs = afterMs % MS_PER_SECOND === 0 ? afterMs + 1 : afterMs
    await change.note({ action: 'schedule.run', subject: id, details: { due_ms: dueMs } })
    await writeSchedule(change, { ...known, requestedMs: [...waiting, dueMs], revision: known.revision + 1 })
    return { status: 'requested', runId: runIdOf({ scheduleId: id, dueMs }), dueMs }
  })
}

const MS_PER_SECOND = 1_000

async function rejectionOf(store: ScheduleStore, definition: ScheduleDefinition): Promise<Rejection | undefined> {
  const problem = checkDefinition(definition, store)
  if (problem !== undefined) return { status: 'invalid', ...problem }
  const keys = secretKeysOf(definition)
  const found = keys.length === 0 ? new Map() : await findSecrets(store, keys)
  const missing = keys.find((key) => !found.has(key))
  if (missing !== undefined) return { status: 'secret_not_found', key: missing }
  const partnerId = definition.export?.partner
  return partnerId !== undefined && (await findPartner(store, partnerId)) === undefined ? { status: 'partner_not_found' } : undefined
}

/** No name and no URL: they may contain names of persons and tokens. */
function detailsOf({ isActive, definition }: StoredSchedule) {
  const { cronSchedule, timezone, export: action } = definition
  const does = action === null ? 'call' : `export ${action.what}`
  return { is_active: isActive, cron: cronSchedule, timezone, does, secrets: secretKeysOf(definition) }
}
