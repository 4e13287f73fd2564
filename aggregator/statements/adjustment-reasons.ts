import { PROJECTS_OF_PARTNER } from '../usage/projects-of-partner.ts'

/** The reason of an adjustment line behind which no event was corrected. */
export const COUNTED_LATE = 'counted after the month was billed'

/** A line names so many reasons of corrections, and its text has at most so many characters; `…` says that there is more. */
const REASONS_MAX = 5
const REASON_CHARACTERS_MAX = 500

/**
 * The reason of an adjustment line as SQL: the distinct reasons of the corrections since the partner's last closing, in their order. It
 * reads `own` and `others`, arrays of reasons as the joins below return them. A correction of one project moves the peak day of its
 * partner, and so the lines of other projects too; these name it as the cause.
 */
export const ADJUSTMENT_REASON = `multiIf(
        notEmpty(own), ${listed("'corrected after the month was billed: '", 'own')},
        kind = 'peak' AND notEmpty(others), ${listed("'the peak was corrected after the month was billed: '", 'others')},
        '${COUNTED_LATE}')`

function listed(beginning: string, reasons: string): string {
  const text = `concat(${beginning}, arrayStringConcat(arraySlice(${reasons}, 1, ${REASONS_MAX}), '; '))`
  return `if(length(${reasons}) > ${REASONS_MAX} OR lengthUTF8(${text}) > ${REASON_CHARACTERS_MAX}, concat(substringUTF8(${text}, 1, ${REASON_CHARACTERS_MAX - 1}), '…'), ${text})`
}

/**
 * The reasons of corrections of the recounted months as `own`, by month, project and metric. What was acknowledged before
 * `billedThroughMs`, the as_of of the last closing, is on a statement already. It may have been received before and acknowledged after,
 * or by a clock that is behind; so corrections of the hour before are named too. That one is named twice changes no number.
 */
export const OWN_REASONS = reasonsBy(['for_month', 'project_id', 'metric'], 'own')

/** The same of all projects of the partner as `others`, by month and metric. */
export const REASONS_OF_PARTNER = reasonsBy(['for_month', 'metric'], 'others')

function reasonsBy(keys: readonly string[], name: string): string {
  const by = keys.join(', ')
  const columns = keys.map((key) => (key === 'for_month' ? `formatDateTime(usage_date, '%Y-%m') AS for_month` : key)).join(', ')
  return `(
      SELECT ${by}, arrayMap(each -> each.2, arraySort(groupArray((first, reason)))) AS ${name}
      FROM (
        SELECT ${columns}, reason, min((received_at, log, offset)) AS first
        FROM usage_corrections_v1
        WHERE corrects != '' AND project_id IN (${PROJECTS_OF_PARTNER}) AND formatDateTime(usage_date, '%Y-%m') IN {recounted: Array(String)}
          AND received_at >= fromUnixTimestamp64Milli({billedThroughMs: Int64}, 'UTC') - INTERVAL 1 HOUR
        GROUP BY ${by}, reason
        ORDER BY first LIMIT ${REASONS_MAX + 1} BY ${by}
      )
      GROUP BY ${by}
    )`
}
