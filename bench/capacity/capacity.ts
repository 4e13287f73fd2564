/** What one event, one row or one process takes: measured by `npm run bench -- shards`, or a limit of the code. */
export interface CapacityInputs {
  readonly ingestCpuSecondsPerMillion: number
  readonly serversCpuSecondsPerMillion: number
  /** Raw and the index of identities, which grow with every event. */
  readonly bytesPerEvent: number
  /** The rollup, of which a project's day has a row for each metric. */
  readonly bytesPerRollupRow: number
  readonly metrics: number
  /** Of a process of `meterline ingest`, apart from its filters. */
  readonly ingestBytes: number
  readonly filterBitsPerIdentity: number
  readonly filterBytesMax: number
  /** What another shard sends the first one for each rollup row of a day that is materialized and audited. */
  readonly betweenBytesPerRollupRow: number
  /** Of the recount of a closing; the difference between a small and a large partner. */
  readonly closingSecondsPerMillion: number
  /** Cores of the machine that measured, which the recount may all use. */
  readonly measuredCores: number
  /** What one internal query and all queries of callers may use on a server. */
  readonly queryBytesMax: number
}

/** What is planned: the load, and the machine of one shard. */
export interface CapacityPlan {
  readonly eventsPerDay: number
  readonly projects: number
  readonly cores: number
  readonly memoryBytes: number
  readonly diskBytes: number
}

export interface Capacity {
  readonly shards: number
  readonly shardsByCpu: number
  readonly shardsByDisk: number
  readonly processes: number
  readonly partitions: number
  readonly eventsPerSecond: number
  readonly diskBytesPerYear: number
  readonly processBytes: number
  readonly serverBytes: number
  /** What ends first when nothing is added, and after how many days. */
  readonly limits: readonly { readonly what: 'filter' | 'disk'; readonly days: number }[]
  /** Processes of `ingest` whose filters together have room for a year of identities. */
  readonly processesOfFilterYear: number
  readonly betweenBytesPerRefresh: number
  readonly closingSeconds: number
}

/** The busiest hour has twice the mean of the day. */
export const PEAK = 2
/** In the busiest hour half of the cores are busy: the others are for reads, for a shard that catches up, and for what was not measured. */
export const BUSY = 0.5
/** Merges of the largest parts need free space. */
export const DISK_FULL = 0.7
/** So that processes can be added, and no process has a partition more than the others for long. */
export const PARTITIONS_PER_PROCESS = 2
export const DAYS_PER_YEAR = 365
export const DAYS_PER_MONTH = 30
const SECONDS_PER_DAY = 86_400

/** The servers and processes that a load needs. Every result follows from the inputs and the plan by the arithmetic of this function alone. */
export function capacityOf(inputs: CapacityInputs, plan: CapacityPlan): Capacity {
  const eventsPerSecond = (plan.eventsPerDay / SECONDS_PER_DAY) * PEAK
  const coresOf = (cpuSecondsPerMillion: number) => (eventsPerSecond * cpuSecondsPerMillion) / 1e6
  const shardsByCpu = atLeastOne(coresOf(inputs.serversCpuSecondsPerMillion) / (plan.cores * BUSY))
  const rollupRowsPerDay = Math.min(plan.projects * inputs.metrics, plan.eventsPerDay)
  const diskBytesPerDay = plan.eventsPerDay * inputs.bytesPerEvent + rollupRowsPerDay * inputs.bytesPerRollupRow
  const diskBytesPerYear = diskBytesPerDay * DAYS_PER_YEAR
  const shardsByDisk = atLeastOne(diskBytesPerYear / (plan.diskBytes * DISK_FULL))
  const shards = Math.max(shardsByCpu, shardsByDisk)
  // The decoding of a process is one thread, so it is planned with one core.
  const processes = atLeastOne(coresOf(inputs.ingestCpuSecondsPerMillion) / BUSY)
  const identitiesPerProcess = (inputs.filterBytesMax * 8) / inputs.filterBitsPerIdentity
  const limits = [
    { what: 'filter', days: (processes * identitiesPerProcess) / plan.eventsPerDay },
    { what: 'disk', days: (shards * plan.diskBytes * DISK_FULL) / diskBytesPerDay },
  ] as const
  const closingCoreSeconds = ((plan.eventsPerDay * DAYS_PER_MONTH) / 1e6) * inputs.closingSecondsPerMillion * inputs.measuredCores
  return {
    ...{ shards, shardsByCpu, shardsByDisk, processes, eventsPerSecond, diskBytesPerYear },
    partitions: shards * Math.ceil((processes * PARTITIONS_PER_PROCESS) / shards),
    processBytes: inputs.ingestBytes + inputs.filterBytesMax,
    serverBytes: inputs.queryBytesMax,
    limits: limits.toSorted((a, b) => a.days - b.days),
    processesOfFilterYear: atLeastOne((plan.eventsPerDay * DAYS_PER_YEAR) / identitiesPerProcess),
    betweenBytesPerRefresh: rollupRowsPerDay * ((shards - 1) / shards) * inputs.betweenBytesPerRollupRow,
    closingSeconds: closingCoreSeconds / (shards * plan.cores * BUSY),
  }
}

function atLeastOne(number: number): number {
  return Math.max(1, Math.ceil(number))
}
