import { randomBytes } from 'node:crypto'
import { THRESHOLDS_MAX } from '../../contract/thresholds.ts'
import type { Quantity } from '../../metering/quantity.ts'
import type { Actor } from '../../registry/audit-log.ts'
import type { Change, RegistryStore } from '../../registry/changes.ts'
import { row } from '../../sql/tab-separated.ts'
import { type Level, lacksBudget } from './levels.ts'
import { findThreshold, listThresholds, type Threshold } from './thresholds.ts'

type Store = RegistryStore & { readonly now: () => number }

export interface NewThreshold extends Pick<Threshold, 'setBy' | 'partnerId' | 'projectId' | 'metric' | 'kind' | 'unit' | 'levels' | 'budget' | 'isActive'> {}

/** `no_budget`: a level is a percentage, and there is no budget that it could be of. */
export type CreateThresholdOutcome = { status: 'created'; threshold: Threshold } | { status: 'full' } | { status: 'no_budget' }

/** The caller has checked that the partner and the project exist. Throws StoreError. */
export function createThreshold(registry: Store, actor: Actor, request: NewThreshold): Promise<CreateThresholdOutcome> {
  if (lacksBudget(request.levels, request.budget)) return Promise.resolve({ status: 'no_budget' })
  const nowMs = registry.now()
  const id = `th_${randomBytes(ID_BYTES).toString('hex')}`
  const threshold: Threshold = { id, revision: 1, ...request, createdMs: nowMs, updatedMs: nowMs, removedMs: null }
  return registry.changes.run(actor, async (change) => {
    // The threshold may be this call's own, written by an attempt whose response was lost.
    const others = (await listThresholds(registry, request.setBy)).filter((each) => each.id !== id)
    if (others.length >= THRESHOLDS_MAX) return { status: 'full' }
    const { partnerId, projectId, metric } = request
    await change.note({ action: 'threshold.create', subject: id, details: { partner_id: partnerId, project_id: projectId, metric } })
    await writeThreshold(change, threshold)
    return { status: 'created', threshold }
  })
}

/** A threshold of the caller: `setBy` is the partner, or empty for operators. */
export interface ThresholdKey {
  readonly setBy: string
  readonly thresholdId: string
}

/** Undefined fields are not changed. */
export interface ThresholdUpdate {
  readonly levels?: readonly Level[] | undefined
  readonly budget?: Quantity | null | undefined
  readonly isActive?: boolean | undefined
}

export type UpdateThresholdOutcome = { status: 'updated'; threshold: Threshold } | { status: 'not_found' } | { status: 'no_budget' }

/** Throws StoreError. */
export function updateThreshold(registry: Store, actor: Actor, key: ThresholdKey, update: ThresholdUpdate): Promise<UpdateThresholdOutcome> {
  return registry.changes.run(actor, async (change) => {
    const known = await findOwnThreshold(registry, key)
    if (known === undefined) return { status: 'not_found' }
    const { levels = known.levels, budget = known.budget, isActive = known.isActive } = update
    if (lacksBudget(levels, budget)) return { status: 'no_budget' }
    const changed = [
      ...(JSON.stringify(levels) === JSON.stringify(known.levels) ? [] : ['levels']),
      ...(budget === known.budget ? [] : ['budget']),
      ...(isActive === known.isActive ? [] : ['active']),
    ]
    if (changed.length === 0) return { status: 'updated', threshold: known }
    const threshold = { ...known, levels, budget, isActive, updatedMs: registry.now(), revision: known.revision + 1 }
    await change.note({ action: 'threshold.update', subject: known.id, details: { changed } })
    await writeThreshold(change, threshold)
    return { status: 'updated', threshold }
  })
}

/** Idempotent. Undefined when the caller has no such threshold. Throws StoreError. */
export function removeThreshold(registry: Store, actor: Actor, key: ThresholdKey): Promise<{ removedMs: number } | undefined> {
  return registry.changes.run(actor, async (change) => {
    const known = await findThreshold(registry, key.thresholdId)
    if (known === undefined || known.setBy !== key.setBy) return undefined
    if (known.removedMs !== null) return { removedMs: known.removedMs }
    const removedMs = registry.now()
    await change.note({ action: 'threshold.remove', subject: known.id })
    await writeThreshold(change, { ...known, removedMs, revision: known.revision + 1 })
    return { removedMs }
  })
}

/** Undefined when the caller has no such threshold, or it is removed. Throws StoreError. */
export async function findOwnThreshold(registry: RegistryStore, { setBy, thresholdId }: ThresholdKey): Promise<Threshold | undefined> {
  const known = await findThreshold(registry, thresholdId)
  return known === undefined || known.setBy !== setBy || known.removedMs !== null ? undefined : known
}

const ID_BYTES = 10

async function writeThreshold(change: Change, threshold: Threshold): Promise<void> {
  const { id, revision, setBy, partnerId, projectId, metric, levels, budget, isActive, createdMs, updatedMs, removedMs } = threshold
  const fields = [id, revision, setBy, partnerId, projectId, metric, JSON.stringify(levels), budget ?? '', Number(isActive), createdMs, updatedMs, removedMs]
  await change.write('thresholds_inbox_v1', COLUMNS, (owner) => row([...owner, ...fields]))
}

const COLUMNS = [
  ...['threshold_id', 'revision', 'set_by', 'partner_id', 'project_id', 'metric', 'levels', 'budget', 'is_active', 'created_ms', 'updated_ms', 'removed_ms'],
]
