import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { ALL_PARTNERS, ownerOf } from './object-names.ts'
import { DeliveryRow } from './stored-deliveries.ts'

/** Where a page begins: after this revision. Newer revisions of a subject come first. */
export interface PlaceInDeliveries {
  readonly subject: string
  readonly scheduleId: string
  readonly revision: number
}

export interface MonthDeliveriesQuery extends PlaceInDeliveries {
  readonly month: string
  /** Only files that contain this partner: its own, and those of all partners. Undefined for every file. */
  readonly partnerId: string | undefined
  readonly limit: number
}

const MonthDelivery = DeliveryRow.extend({
  scheduleId: z.string(),
  /** Also of a deleted schedule; empty if there was never one. */
  scheduleName: z.string(),
})
export type MonthDelivery = z.output<typeof MonthDelivery>

/** Every revision that schedules delivered of a month and of its days, by subject, then by schedule, newest first. Throws StoreError. */
export function readDeliveriesOfMonth({ reads }: Pick<ClickHouse, 'reads'>, { partnerId, ...query }: MonthDeliveriesQuery): Promise<MonthDelivery[]> {
  const owners = partnerId === undefined ? [] : [ownerOf(partnerId), ALL_PARTNERS]
  return reads.query(deliveriesOfMonth, { ...query, owners })
}

const deliveriesOfMonth = defineQuery({
  name: 'deliveries_of_month',
  sql: `SELECT schedule_id AS scheduleId, schedule.name AS scheduleName, subject, revision, step AS isComplete, delivery.name AS name, status, sha256, bytes, changes,
          toUnixTimestamp64Milli(delivered_at) AS deliveredMs, target
        FROM (
          SELECT * FROM deliveries_v1 FINAL
          WHERE (position(subject, concat('/month=', {month: String}, '/')) > 0 OR position(subject, concat('/day=', {month: String}, '-')) > 0)
            AND (empty({owners: Array(String)}) OR has({owners: Array(String)}, splitByChar('/', subject)[-1]))
            AND ((subject, schedule_id) > ({subject: String}, {scheduleId: String})
              OR (subject = {subject: String} AND schedule_id = {scheduleId: String} AND revision < {revision: UInt64}))
          ORDER BY subject, schedule_id, revision DESC LIMIT {limit: UInt64}
        ) AS delivery
        LEFT JOIN (SELECT schedule_id, name FROM schedules_v1 FINAL) AS schedule USING (schedule_id)
        ORDER BY subject, schedule_id, revision DESC`,
  params: z.object({
    month: z.string(),
    owners: z.array(z.string()),
    subject: z.string(),
    scheduleId: z.string(),
    revision: z.number(),
    limit: z.number(),
  }),
  row: MonthDelivery,
})
