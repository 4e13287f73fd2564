import { z } from 'zod'

/** What one look of an audit reads: days of one month, and all projects or some. Empty lists leave nothing out. */
export const AuditScopeParams = z.object({
  from: z.string(),
  end: z.string(),
  days: z.array(z.string()),
  projects: z.array(z.string()),
  partners: z.array(z.string()),
})
export type AuditScopeParams = z.output<typeof AuditScopeParams>

export const DAYS_IN_SCOPE = `usage_date >= {from: Date} AND usage_date < {end: Date} AND (empty({days: Array(Date)}) OR usage_date IN {days: Array(Date)})`

export const PROJECTS_IN_SCOPE = `(empty({projects: Array(String)}) OR project_id IN {projects: Array(String)})
        AND (empty({partners: Array(String)}) OR project_id IN (SELECT project_id FROM projects_v1 WHERE partner_id IN {partners: Array(String)}))`

/**
 * A month of many projects has more keys than should be held in memory: beyond this they go to disk. An identity's rows are
 * all of one month, because the day is part of raw's sorting key; so FINAL need not compare the months with each other.
 */
export const AUDIT_SETTINGS = {
  max_execution_time: 3600,
  max_bytes_before_external_group_by: 2 * 1024 ** 3,
  do_not_merge_across_partitions_select_final: 1,
}

/** A key that differs in each of so many looks, one behind the other, is no batch on its way. */
export const LOOKS = 5
