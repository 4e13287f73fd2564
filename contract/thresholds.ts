import { z } from 'zod'
import { parseQuantity, quantityRule } from '../metering/quantity.ts'
import { CREATED_AT, IN_FEBRUARY, PARTNER_ID, PROJECT_ID } from './example-values.ts'
import { Instant, MonthText, Name, PartnerParams, PathId } from './fields.ts'
import { MetricNameField } from './metrics.ts'
import { defineOperation, type Operation } from './operation.ts'
import { NextCursor, PageQuery } from './pages.ts'

export const THRESHOLDS_MAX = 1_000
const LEVELS_MAX = 10
const PERCENT_MAX = 1_000
/** A percentage of a budget has two more digits, and a value at most nine. */
const BUDGET_FRACTION_DIGITS_MAX = 7

const Decimal = (name: string) =>
  z
    .string()
    .max(64)
    .refine((text) => parseQuantity(text) !== undefined, quantityRule(name))
    .meta({ example: '1000000' })

const LEVEL_RULE = `must have a name, and either value, a decimal as text of at most 29 integer and 9 fraction digits, or percent_of_budget, a whole number from 1 to ${PERCENT_MAX}`
const Level = z.union(
  [z.strictObject({ name: Name, value: Decimal('value') }), z.strictObject({ name: Name, percent_of_budget: z.number().int().min(1).max(PERCENT_MAX) })],
  { error: LEVEL_RULE },
)
const Levels = z
  .array(Level)
  .min(1)
  .max(LEVELS_MAX)
  .refine((levels) => new Set(levels.map(({ name }) => name)).size === levels.length, 'must have a different name for each level')
const Budget = Decimal('budget')
  .refine((text) => (text.split('.')[1] ?? '').length <= BUDGET_FRACTION_DIGITS_MAX, `must have at most ${BUDGET_FRACTION_DIGITS_MAX} fraction digits`)
  .meta({ description: 'What `percent_of_budget` refers to; one of the levels may only use it if it is set.' })

const Fields = {
  metric: MetricNameField,
  per: z.literal('month'),
  levels: Levels,
  budget: Budget.optional(),
  active: z.boolean().default(true),
}
const ProjectId = z.string().min(1).max(256).optional()
const NewThreshold = z.strictObject({
  partner_id: z.string().min(1).max(128).optional(),
  project_id: ProjectId.meta({ description: 'Instead of partner_id: the usage of this project only.' }),
  ...Fields,
})
const NewOwnThreshold = z.strictObject({
  project_id: ProjectId.meta({ description: 'Only the usage of this project. Default: of all projects together.' }),
  ...Fields,
})
const ThresholdUpdate = z.strictObject({ levels: Levels.optional(), budget: Budget.nullable().optional(), active: z.boolean().optional() })

const Threshold = z.object({
  id: z.string(),
  partner_id: z.string(),
  project_id: z.string().nullable(),
  metric: z.string(),
  unit: z.string(),
  per: z.literal('month'),
  levels: z.array(Level),
  budget: z.string().nullable(),
  active: z.boolean(),
  created_at: Instant,
  updated_at: Instant,
})

const THRESHOLD_ID = 'th_5b1d9c0e7f3a4826a9d2'
const THRESHOLD = {
  id: THRESHOLD_ID,
  partner_id: PARTNER_ID,
  project_id: null,
  metric: 'ai_tokens',
  unit: 'token',
  per: 'month' as const,
  levels: [
    { name: 'warning', percent_of_budget: 80 },
    { name: 'used up', value: '2000000' },
  ],
  budget: '2000000',
  active: true,
  created_at: CREATED_AT,
  updated_at: CREATED_AT,
}
const NEW = { metric: 'ai_tokens', per: 'month', levels: THRESHOLD.levels, budget: '2000000' }

const ADMIN_PATH = '/admin/v1/thresholds'
const OWN_PATH = '/partnership/v1/:partnerId/thresholds'
const Id = z.object({ thresholdId: PathId })
const OwnId = PartnerParams.extend({ thresholdId: PathId })
const READ = { 400: true, 401: true, 404: 'THRESHOLD_NOT_FOUND', 429: true, 500: true, 503: true } as const
const WRITE = { ...READ, 413: true, 415: true } as const
const ADMIN = { 403: true } as const

const LIST = {
  method: 'GET',
  tag: 'webhooks',
  summary: 'List thresholds, oldest first',
  answers: { 200: z.object({ thresholds: z.array(Threshold) }) },
  example: { answers: { 200: { thresholds: [THRESHOLD] } } },
} as const satisfies Partial<Operation>
export const LIST_THRESHOLDS = defineOperation({ ...LIST, path: ADMIN_PATH, errors: { 401: true, 403: true, 429: true, 500: true, 503: true } })
export const LIST_OWN_THRESHOLDS = defineOperation({
  ...LIST,
  path: OWN_PATH,
  params: PartnerParams,
  errors: { 401: true, 404: 'NOT_FOUND', 429: true, 500: true, 503: true },
})

const CREATE = {
  method: 'POST',
  tag: 'webhooks',
  summary: 'Set a threshold',
  description:
    'When usage of a month reaches a level, a message of the type usage.threshold_reached is sent to your webhooks; when it is below again after a repair, usage.threshold_resolved. Each crossing is one message. It counts from the current month on, also in a month that is not billed; a closed month sends no more messages.',
  answers: { 201: z.object({ threshold: Threshold }) },
} as const satisfies Partial<Operation>
export const CREATE_THRESHOLD = defineOperation({
  ...CREATE,
  path: ADMIN_PATH,
  body: NewThreshold,
  errors: { ...WRITE, ...ADMIN, 404: 'PARTNER_NOT_FOUND', 409: 'TOO_MANY_THRESHOLDS' },
  example: { request: { ...NEW, partner_id: PARTNER_ID }, answers: { 201: { threshold: THRESHOLD } } },
})
export const CREATE_OWN_THRESHOLD = defineOperation({
  ...CREATE,
  path: OWN_PATH,
  params: PartnerParams,
  body: NewOwnThreshold,
  errors: { ...WRITE, 404: 'PROJECT_NOT_FOUND', 409: 'TOO_MANY_THRESHOLDS' },
  example: { request: { ...NEW, project_id: PROJECT_ID }, answers: { 201: { threshold: { ...THRESHOLD, project_id: PROJECT_ID } } } },
})

const UPDATE = {
  method: 'PATCH',
  tag: 'webhooks',
  summary: 'Change a threshold',
  description: 'A level keeps its state under its name: if its new value is above the usage, it is resolved.',
  body: ThresholdUpdate,
  answers: { 200: z.object({ threshold: Threshold }) },
  example: { request: { active: true }, answers: { 200: { threshold: THRESHOLD } } },
} as const satisfies Partial<Operation>
export const UPDATE_THRESHOLD = defineOperation({ ...UPDATE, path: `${ADMIN_PATH}/:thresholdId`, params: Id, errors: { ...WRITE, ...ADMIN } })
export const UPDATE_OWN_THRESHOLD = defineOperation({ ...UPDATE, path: `${OWN_PATH}/:thresholdId`, params: OwnId, errors: WRITE })

const REMOVE = {
  method: 'DELETE',
  tag: 'webhooks',
  summary: 'Remove a threshold',
  description: 'Its history stays. Idempotent.',
  answers: { 200: z.object({ id: z.string(), removed_at: Instant }) },
  example: { answers: { 200: { id: THRESHOLD_ID, removed_at: IN_FEBRUARY } } },
} as const satisfies Partial<Operation>
export const REMOVE_THRESHOLD = defineOperation({ ...REMOVE, path: `${ADMIN_PATH}/:thresholdId`, params: Id, errors: { ...WRITE, ...ADMIN } })
export const REMOVE_OWN_THRESHOLD = defineOperation({ ...REMOVE, path: `${OWN_PATH}/:thresholdId`, params: OwnId, errors: WRITE })

const Transition = z.object({
  message_id: z.string(),
  month: z.string(),
  level: z.string(),
  number: z.number().int().meta({ description: 'Counts the crossings of this level in this month.' }),
  state: z.enum(['alarm', 'ok']),
  value: z.string(),
  at: Instant,
})

const HISTORY = {
  method: 'GET',
  tag: 'webhooks',
  summary: 'List the crossings of a threshold, newest first',
  query: PageQuery.extend({ month: MonthText.optional() }),
  answers: { 200: z.object({ history: z.array(Transition), next_cursor: NextCursor }) },
  example: {
    answers: {
      200: {
        history: [
          {
            message_id: 'msg_9f2c5d1e8b7a4c3f6e0d9b8a7c6f5e4d',
            month: '2026-02',
            level: 'warning',
            number: 1,
            state: 'alarm',
            value: '1603311.5',
            at: IN_FEBRUARY,
          },
        ],
        next_cursor: null,
      },
    },
  },
} as const satisfies Partial<Operation>
export const THRESHOLD_HISTORY = defineOperation({ ...HISTORY, path: `${ADMIN_PATH}/:thresholdId/history`, params: Id, errors: { ...READ, ...ADMIN } })
export const OWN_THRESHOLD_HISTORY = defineOperation({ ...HISTORY, path: `${OWN_PATH}/:thresholdId/history`, params: OwnId, errors: READ })

const BUDGET = {
  method: 'GET',
  tag: 'webhooks',
  summary: 'How much of a budget is used in the current month',
  description: 'For gateways that stop usage: it can exceed the limit by what is used within `lag_seconds` and a few seconds of evaluation.',
  answers: {
    200: z.object({
      month: z.string(),
      used: z.string(),
      limit: z.string().meta({ description: 'The budget, or else the greatest level.' }),
      as_of: Instant.nullable(),
      lag_seconds: z.number().int().nullable().meta({ description: 'The age of `as_of`; null before the first event log was opened.' }),
    }),
  },
  example: { answers: { 200: { month: '2026-02', used: '1603311.5', limit: '2000000', as_of: IN_FEBRUARY, lag_seconds: 2 } } },
} as const satisfies Partial<Operation>
export const THRESHOLD_BUDGET = defineOperation({ ...BUDGET, path: `${ADMIN_PATH}/:thresholdId/budget`, params: Id, errors: { ...READ, ...ADMIN } })
export const OWN_THRESHOLD_BUDGET = defineOperation({ ...BUDGET, path: `${OWN_PATH}/:thresholdId/budget`, params: OwnId, errors: READ })
