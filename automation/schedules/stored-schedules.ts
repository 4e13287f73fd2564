import { z } from 'zod'
import { ScheduleDefinition } from '../../contract/schedules.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'

export interface StoredSchedule {
  readonly id: string
  readonly revision: number
  readonly name: string
  readonly definition: ScheduleDefinition
  readonly isActive: boolean
  readonly isDeleted: boolean
  /** Only due times after it count: when the schedule was created, resumed, or given another time. In ms since 1970, like all times. */
  readonly activeFromMs: number
  /** The due times of runs that were asked for, ascending. Those that were claimed may be among them. */
  readonly requestedMs: readonly number[]
  readonly createdMs: number
  readonly updatedMs: number
}

/** Newest first, without deleted ones. Throws StoreError. */
export function readSchedules({ reads }: Pick<ClickHouse, 'reads'>): Promise<StoredSchedule[]> {
  return reads.query(allSchedules, {})
}

/** A number that grows with every change of any schedule: while it is the same, so are all of them. Throws StoreError. */
export async function readScheduleChanges({ reads }: Pick<ClickHouse, 'reads'>): Promise<number> {
  return (await queryOne(reads, scheduleChanges, {})).changes
}

/** Undefined also for a deleted one. Throws StoreError. */
export async function findSchedule({ registry }: Pick<ClickHouse, 'registry'>, id: string): Promise<StoredSchedule | undefined> {
  const [found] = await registry.query(scheduleById, { id })
  return found
}

/** Throws StoreError. */
export async function countSchedules({ registry }: Pick<ClickHouse, 'registry'>): Promise<number> {
  return (await queryOne(registry, scheduleCount, {})).schedules
}

const Flag = z.number().transform((value) => value === 1)

const ScheduleRow = z.object({
  id: z.string(),
  revision: z.coerce.number(),
  name: z.string(),
  definition: z.string().transform((text) => ScheduleDefinition.parse(JSON.parse(text))),
  isActive: Flag,
  isDeleted: Flag,
  activeFromMs: z.coerce.number(),
  requestedMs: z.array(z.coerce.number()),
  createdMs: z.coerce.number(),
  updatedMs: z.coerce.number(),
})

const SCHEDULE_SELECT = `SELECT schedule_id AS id, revision, name, definition, is_active AS isActive, is_deleted AS isDeleted,
          toUnixTimestamp64Milli(active_from) AS activeFromMs, arrayMap(each -> toUnixTimestamp64Milli(each), requested) AS requestedMs,
          toUnixTimestamp64Milli(created_at) AS createdMs, toUnixTimestamp64Milli(updated_at) AS updatedMs
        FROM schedules_v1 FINAL`

const allSchedules = defineQuery({
  name: 'all_schedules',
  sql: `${SCHEDULE_SELECT} WHERE is_deleted = 0 ORDER BY created_at DESC, schedule_id`,
  params: z.object({}),
  row: ScheduleRow,
})

/** A change adds 1 to the revision of a schedule, and a deleted schedule keeps its row. */
const scheduleChanges = defineQuery({
  name: 'schedule_changes',
  sql: 'SELECT sum(revision) AS changes FROM schedules_v1 FINAL',
  params: z.object({}),
  row: z.object({ changes: z.coerce.number() }),
})

const scheduleById = defineQuery({
  name: 'schedule_by_id',
  sql: `${SCHEDULE_SELECT} WHERE schedule_id = {id: String} AND is_deleted = 0`,
  params: z.object({ id: z.string() }),
  row: ScheduleRow,
})

const scheduleCount = defineQuery({
  name: 'schedule_count',
  sql: 'SELECT count() AS schedules FROM schedules_v1 FINAL WHERE is_deleted = 0',
  params: z.object({}),
  row: z.object({ schedules: z.coerce.number() }),
})
