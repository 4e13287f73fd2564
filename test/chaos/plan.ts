import { Random } from '../support/random.ts'

/** kill_clickhouse kills all servers of the store. The last three are for runs with shards. */
export type KillKind = 'kill_ingest' | 'kill_api' | 'kill_broker' | 'kill_clickhouse' | 'kill_first_shard' | 'kill_other_shard' | 'kill_aggregate'

/**
 * What is done beside the kills:
 * - freeze_ingest: SIGSTOP for longer than the session time-out of the group; it wakes as a zombie whose partitions belong to others.
 * - join_ingest: an additional process joins, and leaves gracefully after a while. leave_ingest: a process leaves and joins again.
 * - hang_transaction: a producer leaves a transaction open until the broker ends it. end_transaction: commits or aborts one.
 * - step_clock: the system clock of a process is set, and set right again.
 * - second_source: a process starts that is configured with another topic, or with none.
 * - flood: an emitter sends as much as it can.
 */
export const OTHER_KINDS = [
  'freeze_ingest',
  'hang_transaction',
  'join_ingest',
  'step_clock',
  'leave_ingest',
  'second_source',
  'end_transaction',
  'flood',
] as const
export type OtherKind = (typeof OTHER_KINDS)[number]

export interface Action {
  readonly kind: KillKind | OtherKind
  /** After the previous action. */
  readonly afterMs: number
  /** Chooses among the processes of the kind. */
  readonly slot: number
  /** How long a process is down, frozen, joined, has its clock set, or is started beside; how long a transaction or a flood lasts. */
  readonly lastsMs: number
  /** How far the clock is set ahead; negative for back. */
  readonly aheadMs: number
}

export interface PlanOptions {
  readonly kills: number
  readonly seed: number
  /** Only what this run has started may be killed. */
  readonly killable: readonly KillKind[]
  readonly others: readonly OtherKind[]
}

/** The same seed gives the same plan. Each of the other kinds is done at least once, and one for every three kills. */
export function makePlan({ kills, seed, killable, others }: PlanOptions): Action[] {
  const random = new Random(seed)
  const kinds: Action['kind'][] = killsOf(kills, killable, random)
  const count = others.length === 0 ? 0 : Math.max(others.length, Math.ceil(kills / KILLS_PER_OTHER))
  for (let at = 0; at < count; at += 1) kinds.splice(random.below(kinds.length), 0, others[at % others.length] ?? 'freeze_ingest')
  return kinds.map((kind) => {
    const afterMs = AFTER_MS_MIN + random.below(AFTER_MS_MAX - AFTER_MS_MIN)
    return { kind, afterMs, slot: random.below(1_000), lastsMs: lastsMs(kind, random), aheadMs: random.pick(CLOCK_STEPS_MS) }
  })
}

const KILLS_PER_OTHER = 3
const AFTER_MS_MIN = 1_500
const AFTER_MS_MAX = 6_000
/** Half of the killed processes are started again immediately. */
const DOWN_MS_MAX = 4_000
const HOUR_MS = 3_600_000
const CLOCK_STEPS_MS = [-24 * HOUR_MS, -HOUR_MS, 10 * 60_000, HOUR_MS, 12 * 24 * HOUR_MS]

function lastsMs(kind: Action['kind'], random: Random): number {
  const between = (min: number, max: number) => min + random.below(max - min)
  switch (kind) {
    case 'kill_broker': // it is started again when it has ended
      return 0
    case 'freeze_ingest': // the session time-out of the group is 10 s
      return between(12_000, 16_000)
    case 'join_ingest':
    case 'step_clock':
      return between(5_000, 15_000)
    case 'hang_transaction': // longer than several heartbeats of the watermark
      return between(15_000, 25_000)
    case 'end_transaction':
      return between(500, 4_000)
    case 'second_source': // longer than starting takes
      return between(8_000, 12_000)
    case 'flood':
      return between(3_000, 6_000)
    default:
      return random.below(2) === 0 ? 0 : random.below(DOWN_MS_MAX)
  }
}

/** Of every six kills, with shards of every nine, three hit ingest processes and one each of the other kinds, in random order. */
const WEIGHTS: readonly KillKind[] = [
  ...(['kill_ingest', 'kill_clickhouse', 'kill_ingest', 'kill_broker', 'kill_ingest', 'kill_api'] as const),
  ...(['kill_other_shard', 'kill_first_shard', 'kill_aggregate'] as const),
]

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

export function describeAction({ kind, lastsMs, aheadMs }: Action): string {
  const ahead = kind === 'step_clock' ? ` by ${aheadMs / 60_000} min` : ''
  return `${kind.replaceAll('_', ' ')}${ahead} (${(lastsMs / 1000).toFixed(1)} s)`
}
