import { z } from 'zod'

/** What one comparison reads: days of one month, of all projects or of some. An empty list does not restrict anything. */
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
 * A month with many projects has more keys than fit in memory: beyond this limit they go to disk. All rows of an event's identity are in
 * one month, because the day is part of raw's sorting key, so FINAL need not merge across partitions.
 */
export const AUDIT_SETTINGS = {
  max_execution_time: 3600,
  max_bytes_before_external_group_by: 2 * 1024 ** 3,
  do_not_merge_across_partitions_select_final: 1,
}

/** A key that differs in this many consecutive comparisons differs for another reason than a batch in flight. */
export const COMPARISONS = 5
