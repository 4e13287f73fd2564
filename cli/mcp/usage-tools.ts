import { z } from 'zod'
import { EXPLAIN_OWN_USAGE, EXPLAIN_USAGE } from '../../contract/explain.ts'
import type { RequestInput } from '../../contract/operation.ts'
import { PAGE_ROWS_MAX } from '../../contract/pages.ts'
import { LIST_PARTNER_PROJECTS } from '../../contract/partner-projects.ts'
import { GET_PARTNERSHIP_USAGE, GET_PROJECT_USAGE } from '../../contract/usage.ts'
import { requirePartnerId } from '../connection/connect.ts'
import { callForText } from '../http-client.ts'
import { datesOf } from '../period-options.ts'
import { BYTE_DAYS_TOO, defineTool, PARTNER_OF_ADMIN, PERIOD } from './tool.ts'
import { readTexts, usageAnswer, usageOfMetrics } from './tool-answer.ts'

const DAYS_TOO = z.boolean().default(false).describe('Whether to answer the figures of each day too.')

const GROUP_BY = z
  .string()
  .optional()
  .describe(
    'Keys of labels with commas, such as model: answers the usage of each set of these labels as "groups". The tool metrics lists which metric has which.',
  )

export const partnershipUsage = defineTool({
  name: 'partnership_usage',
  title: 'Usage of the partnership',
  description: 'The usage of all projects of the partner together, deleted ones included, for a period; with the day of each peak.',
  kinds: ['partner'],
  input: z.strictObject({ ...PERIOD, by_day: DAYS_TOO, byte_days: BYTE_DAYS_TOO, group_by: GROUP_BY }),
  run: async (connection, { by_day, byte_days, group_by, ...period }) => {
    const params = { partnerId: requirePartnerId(connection) }
    const { text } = await callForText(connection, GET_PARTNERSHIP_USAGE, {
      params,
      query: { ...datesOf(period), include: byte_days ? 'daily,byte_days' : 'daily', group_by },
    })
    const answer = usageOfMetrics('partnership', text)
    const { daily_usage, ...result } = answer.result
    return { answer: by_day ? answer : { ...answer, result } }
  },
})

export const projectUsage = defineTool({
  name: 'project_usage',
  title: 'Usage of a project',
  description: 'The usage of one project for a period. Deleted projects can be read too.',
  kinds: ['partner'],
  input: z.strictObject({ project_id: z.string(), ...PERIOD, by_day: DAYS_TOO, byte_days: BYTE_DAYS_TOO, group_by: GROUP_BY }),
  run: async (connection, { project_id, by_day, byte_days, group_by, ...period }) => {
    const params = { partnerId: requirePartnerId(connection), projectId: project_id }
    const { text } = await callForText(connection, GET_PROJECT_USAGE, {
      params,
      query: { ...datesOf(period), include: byte_days ? 'byte_days' : undefined, group_by },
    })
    const answer = usageOfMetrics('project', text)
    const { daily_usage, ...result } = answer.result
    return { answer: by_day ? answer : { ...answer, result } }
  },
})

export const projects = defineTool({
  name: 'projects',
  title: 'Projects with their usage',
  description:
    'The projects of the partner, deleted ones included, each with its usage of a period. A page at a time: while next_cursor is not null, call again with the same arguments and it as cursor.',
  kinds: ['partner'],
  input: z.strictObject({
    ...PERIOD,
    status: z.enum(['active', 'paused', 'deleted']).optional(),
    search: z.string().optional().describe('A part of the name or the id.'),
    sort: z
      .string()
      .optional()
      .describe('name, created_at, last_activity_at, a metric of this answer, or metrics.<name> of one that is under "metrics"; "-" in front is descending.'),
    limit: z.number().int().min(1).max(PAGE_ROWS_MAX).optional(),
    cursor: z.string().optional(),
  }),
  run: async (connection, { month, from, to, ...filter }) => {
    const params = { partnerId: requirePartnerId(connection) }
    // A wrong order is reported by the service itself.
    const query = { ...datesOf({ month, from, to }), ...filter } as RequestInput<typeof LIST_PARTNER_PROJECTS>['query']
    const { text } = await callForText(connection, LIST_PARTNER_PROJECTS, { params, query })
    return { answer: usageOfMetrics('project', text) }
  },
})

export const explain = defineTool({
  name: 'explain',
  title: 'Explain a figure',
  description: 'Why a usage figure is what it is: its rule, the number of its events, what contributed most, and what arrived late.',
  kinds: ['partner', 'admin'],
  input: z.strictObject({
    metric: z.string().describe('The name that events use, or the one in a usage summary.'),
    ...PERIOD,
    project_id: z.string().optional().describe('Explain a figure of this project instead of one of the partnership.'),
    partner_id: PARTNER_OF_ADMIN,
  }),
  run: async (connection, { metric, project_id, partner_id, ...period }) => {
    const query = { metric, ...datesOf(period) }
    const { text } =
      connection.credential.kind === 'admin'
        ? await callForText(connection, EXPLAIN_USAGE, {
            query: { ...query, project: project_id, partner: project_id === undefined ? (partner_id ?? connection.partnerId) : undefined },
          })
        : await callForText(connection, EXPLAIN_OWN_USAGE, { params: { partnerId: requirePartnerId(connection) }, query: { ...query, project_id } })
    const { metric: name, kind, unit, rule } = readTexts(text)
    return { answer: usageAnswer(text, [{ name: String(name), kind: String(kind), unit: String(unit), how_it_adds_up: String(rule) }]) }
  },
})
