import type { Table } from '../report.ts'
import {
  BUSY,
  type Capacity,
  type CapacityInputs,
  type CapacityPlan,
  DAYS_PER_MONTH,
  DAYS_PER_YEAR,
  DISK_FULL,
  PARTITIONS_PER_PROCESS,
  PEAK,
} from './capacity.ts'

const TB = 1e12
const GIB = 1024 ** 3

/** What is measured, what is assumed, and what follows from both, with the arithmetic of each line. */
export function capacityTables(inputs: CapacityInputs, plan: CapacityPlan, capacity: Capacity): Table[] {
  return [inputsTable(inputs), assumptionsTable(plan), needsTable(inputs, plan, capacity), limitsTable(inputs, plan, capacity)]
}

function inputsTable(inputs: CapacityInputs): Table {
  const rows = [
    ['CPU s of `ingest` per million events', number(inputs.ingestCpuSecondsPerMillion), 'measured, 2 shards'],
    ['CPU s of the servers per million events', number(inputs.serversCpuSecondsPerMillion), 'measured, 2 shards, merges included'],
    ['bytes on disk per event, raw and index', number(inputs.bytesPerEvent), 'measured, merged'],
    ['bytes on disk per rollup row', number(inputs.bytesPerRollupRow), 'measured, merged'],
    ['MiB of an `ingest` process, without its filters', number(inputs.ingestBytes / 1024 ** 2), 'measured, 2 shards'],
    [
      's of a closing per million events',
      number(inputs.closingSecondsPerMillion),
      `measured, 2 shards on ${inputs.measuredCores} cores, large less small partner`,
    ],
    ['bytes between servers per rollup row of a day', number(inputs.betweenBytesPerRollupRow), 'measured, materialized and audited once'],
    ['bits of filter per identity', number(inputs.filterBitsPerIdentity), 'ingest/log/identity-filter.ts'],
    ['GiB of filters in a process, at most', number(inputs.filterBytesMax / GIB), 'ingest/kafka/assigned-partitions.ts'],
    [
      'GiB of queries on a server, at most',
      number(inputs.queryBytesMax / GIB),
      'sql/query.ts, sql/limited-reads.ts: one internal one, and the sessions of callers',
    ],
  ]
  return { title: 'What one event, row and process takes', columns: ['what', 'value', 'source'], rows }
}

function assumptionsTable({ projects, cores, memoryBytes, diskBytes }: CapacityPlan): Table {
  const rows = [
    ['projects, each with usage of every metric on every day', whole(projects), '--projects'],
    ['cores of a shard, as fast as the measured ones', whole(cores), '--cores'],
    ['GiB of memory of a shard', number(memoryBytes / GIB), '--memory-gib'],
    ['TB of disk of a shard', number(diskBytes / TB), '--disk-tb'],
    ['events of the busiest hour, times the mean', number(PEAK), 'assumed'],
    ['share of the cores that are busy then', number(BUSY), 'assumed: the others are for reads and for catching up'],
    ['share of the disk that may be full', number(DISK_FULL), 'assumed: merges need free space'],
  ]
  return { title: 'What is assumed', columns: ['what', 'value', 'option'], rows }
}

function needsTable(inputs: CapacityInputs, plan: CapacityPlan, capacity: Capacity): Table {
  const { eventsPerDay, projects, cores, diskBytes } = plan
  const { eventsPerSecond, shards, shardsByCpu, shardsByDisk, diskBytesPerYear, processes, partitions } = capacity
  const rollupRows = Math.min(projects * inputs.metrics, eventsPerDay)
  const rows = [
    ['events/s in the busiest hour', `${whole(eventsPerDay)} / 86,400 s x ${PEAK}`, whole(eventsPerSecond)],
    [
      'shards, for CPU',
      `${whole(eventsPerSecond)}/s x ${number(inputs.serversCpuSecondsPerMillion)} s / 1,000,000 / (${cores} cores x ${BUSY})`,
      whole(shardsByCpu),
    ],
    [
      'TB on disk in a year',
      `${DAYS_PER_YEAR} x (${whole(eventsPerDay)} x ${number(inputs.bytesPerEvent)} B + ${whole(rollupRows)} rows x ${number(inputs.bytesPerRollupRow)} B)`,
      number(diskBytesPerYear / TB),
    ],
    ['shards, for the disk of a year', `${number(diskBytesPerYear / TB)} TB / (${number(diskBytes / TB)} TB x ${DISK_FULL})`, whole(shardsByDisk)],
    ['shards', 'the larger number', whole(shards)],
    [
      'processes of `ingest`, of a core each',
      `${whole(eventsPerSecond)}/s x ${number(inputs.ingestCpuSecondsPerMillion)} s / 1,000,000 / ${BUSY}`,
      whole(processes),
    ],
    ['partitions', `a multiple of ${shards}, at least ${PARTITIONS_PER_PROCESS} x ${processes}`, whole(partitions)],
    [
      'GiB of memory of an `ingest` process',
      `${number(inputs.ingestBytes / GIB)} + ${number(inputs.filterBytesMax / GIB)} of filters`,
      number(capacity.processBytes / GIB),
    ],
    ['GiB of memory of a shard, for queries', `of the ${number(plan.memoryBytes / GIB)} that it has`, number(capacity.serverBytes / GIB)],
  ]
  return { title: `What ${whole(eventsPerDay)} events a day need`, columns: ['what', 'arithmetic', 'result'], rows }
}

function limitsTable(inputs: CapacityInputs, plan: CapacityPlan, capacity: Capacity): Table {
  const { eventsPerDay } = plan
  const { shards, processes } = capacity
  const arithmetic = {
    filter: [
      'the filters of identities are full',
      `${processes} x ${number(inputs.filterBytesMax / GIB)} GiB x 8 / ${inputs.filterBitsPerIdentity} bits / ${whole(eventsPerDay)}`,
    ],
    disk: ['the disks are full', `${shards} x ${number(plan.diskBytes / TB)} TB x ${DISK_FULL} / what a day needs`],
  } as const
  const rows = capacity.limits.map(({ what, days }, place) => [...arithmetic[what], `${number(days)} days${place === 0 ? ', the first bottleneck' : ''}`])
  return {
    title: 'What ends first, if nothing is added',
    columns: ['what', 'arithmetic', 'result'],
    rows: [
      ...rows,
      [
        'processes whose filters hold a year',
        `${DAYS_PER_YEAR} x ${whole(eventsPerDay)} x ${inputs.filterBitsPerIdentity} bits / 8 / ${number(inputs.filterBytesMax / GIB)} GiB`,
        whole(capacity.processesOfFilterYear),
      ],
      [
        'MB that other shards send the first one when a day is materialized and audited',
        `${whole(Math.min(plan.projects * inputs.metrics, eventsPerDay))} rows x ${shards - 1}/${shards} x ${number(inputs.betweenBytesPerRollupRow)} B`,
        number(capacity.betweenBytesPerRefresh / 1e6),
      ],
      [
        's to close a month of all partners',
        `${whole(eventsPerDay * DAYS_PER_MONTH)} x ${number(inputs.closingSecondsPerMillion)} s / 1,000,000 x ${inputs.measuredCores} cores / (${shards} x ${plan.cores} x ${BUSY})`,
        whole(capacity.closingSeconds),
      ],
    ],
  }
}

/** Three digits, as precise as the inputs at best. */
function number(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US', { maximumSignificantDigits: 3 })
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
