import type { MeterlineClient } from '../support/clients/client.ts'

/** The kinds whose days are neither sums nor greatest values. No documented metric is of them. */
export const LEVEL = 'chaos_level'
export const USERS = 'chaos_users'
export const METRICS_OF_STATES: readonly string[] = [LEVEL, USERS]

/** Few enough that most are sent again, on other days and by other projects. */
export const TEXTS = Array.from({ length: 40 }, (_, index) => (index % 5 === 0 ? `\u540d "${index}" \\n` : `user-${index}`))

export async function defineChaosMetrics(client: MeterlineClient): Promise<void> {
  for (const [metric, kind] of [
    [LEVEL, 'last'],
    [USERS, 'unique'],
  ]) {
    const { status, text } = await client.admin('PUT', `/admin/v1/metrics/${metric}`, { kind, unit: 'unit', description: 'Of a chaos run.' })
    if (status !== 200) throw new Error(text)
  }
}
