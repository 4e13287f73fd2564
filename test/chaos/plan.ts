import { Random } from '../support/random.ts'

/** An action on the running system, `afterMs` after the previous action. A killed process is restarted after `downMs`. */
export type Action =
  | { readonly kind: 'kill_ingest' | 'kill_api'; readonly afterMs: number; readonly slot: number; readonly downMs: number }
  | { readonly kind: 'kill_broker' | 'kill_clickhouse'; readonly afterMs: number; readonly downMs: number }
  /** Frozen for longer than the session time-out of the group: it wakes as a zombie whose partitions belong to others. */
  | { readonly kind: 'freeze_ingest'; readonly afterMs: number; readonly slot: number; readonly frozenMs: number }
  /** An additional process joins, and leaves gracefully after a while. */
  | { readonly kind: 'join_ingest'; readonly afterMs: number; readonly stayMs: number }
  /** A process leaves gracefully and joins again. */
  | { readonly kind: 'leave_ingest'; readonly afterMs: number; readonly slot: number; readonly downMs: number }

export type KillKind = 'kill_ingest' | 'kill_api' | 'kill_broker' | 'kill_clickhouse'

export interface PlanOptions {
  readonly kills: number
  readonly seed: number
  readonly ingests: number
  readonly apis: number
  /** Only what this run has started may be killed. */
  readonly killable: readonly KillKind[]
}

/** The same seed gives the same plan. */
export function makePlan(options: PlanOptions): Action[] {
  const { kills, seed, killable } = options
  const random = new Random(seed)
  const kinds: Action['kind'][] = killsOf(kills, killable, random)
  const others: Action['kind'][] = ['freeze_ingest', 'join_ingest', 'leave_ingest']
  for (let at = 0; at < Math.ceil(kills / KILLS_PER_OTHER); at += 1) kinds.splice(random.below(kinds.length), 0, others[at % others.length] ?? 'freeze_ingest')
  return kinds.map((kind) => actionOf(kind, random, options))
}

function actionOf(kind: Action['kind'], random: Random, { ingests, apis }: PlanOptions): Action {
  const afterMs = AFTER_MS_MIN + random.below(AFTER_MS_MAX - AFTER_MS_MIN)
  const downMs = random.below(2) === 0 ? 0 : random.below(DOWN_MS_MAX)
  switch (kind) {
    case 'kill_ingest':
    case 'leave_ingest':
      return { kind, afterMs, slot: random.below(ingests), downMs }
    case 'kill_api':
      return { kind, afterMs, slot: random.below(apis), downMs }
    case 'kill_clickhouse':
      return { kind, afterMs, downMs }
    case 'kill_broker':
      return { kind, afterMs, downMs: 0 }
    case 'freeze_ingest':
      return { kind, afterMs, slot: random.below(ingests), frozenMs: FROZEN_MS_MIN + random.below(FROZEN_MS_MAX - FROZEN_MS_MIN) }
    case 'join_ingest':
      return { kind, afterMs, stayMs: 5_000 + random.below(10_000) }
  }
}

const KILLS_PER_OTHER = 3
const AFTER_MS_MIN = 1_500
const AFTER_MS_MAX = 6_000
const DOWN_MS_MAX = 4_000
/** The session time-out of the group is 10 s. */
const FROZEN_MS_MIN = 12_000
const FROZEN_MS_MAX = 16_000

/** Of every six kills, three hit ingest processes and one each of the other kinds, in random order. */
const WEIGHTS: readonly KillKind[] = ['kill_ingest', 'kill_clickhouse', 'kill_ingest', 'kill_broker', 'kill_ingest', 'kill_api']

function killsOf(kills: number, killable: readonly KillKind[], random: Random): KillKind[] {
  const weights = WEIGHTS.filter((kind) => killable.includes(kind))
  const kinds = Array.from({ length: kills }, (_, index) => weights[index % weights.length] ?? 'kill_ingest')
  for (let last = kinds.length - 1; last > 0; last -= 1) {
    const other = random.below(last + 1)
    const [a, b] = [kinds[last], kinds[other]]
    if (a !== undefined && b !== undefined) [kinds[last], kinds[other]] = [b, a]
  }
  return kinds
}

export function isKill({ kind }: Action): boolean {
  return kind.startsWith('kill_')
}

export function describeAction(action: Action): string {
  const target = 'slot' in action ? ` ${action.slot}` : ''
  const ms = 'frozenMs' in action ? action.frozenMs : 'stayMs' in action ? action.stayMs : action.downMs
  return `${action.kind.replace('_', ' ')}${target} (${(ms / 1000).toFixed(1)} s)`
}
