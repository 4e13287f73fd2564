import { z } from 'zod'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { defineStatement } from '../../../sql/query.ts'

/** Makes the store of a partner one of an early version, which removed the recounts of other months than a closing's own. */
export async function removeCorrectedRecounts({ work }: ClickHouse, partnerId: string): Promise<void> {
  await work.execute(removal, { partnerId })
}

const removal = defineStatement({
  name: 'test_remove_corrected_recounts',
  sql: `DELETE FROM statement_recounts_v1 WHERE partner_id = {partnerId: String}
        AND (closing, month) NOT IN (SELECT closing, month FROM statements_v1 WHERE partner_id = {partnerId: String})`,
  params: z.object({ partnerId: z.string() }),
})
