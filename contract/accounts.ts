import { z } from 'zod'
import { ACCOUNT_ID, CREATED_AT, PARTNER_ID } from './example-values.ts'
import { Instant, PathId } from './fields.ts'
import { defineOperation } from './operation.ts'
import { NextCursor, PageQuery } from './pages.ts'

export const ACCOUNT_PLANS = ['free', 'paid'] as const
export type AccountPlan = (typeof ACCOUNT_PLANS)[number]

const AccountParams = z.object({ accountId: PathId })

const Account = z.object({
  id: z.string(),
  partner_id: z.string(),
  email: z.string(),
  name: z.string(),
  plan: z.enum(ACCOUNT_PLANS),
  created_at: Instant,
})

const ACCOUNT = { id: ACCOUNT_ID, partner_id: PARTNER_ID, email: 'ada@example.com', name: 'Ada Lovelace', plan: 'paid', created_at: CREATED_AT }

export const LIST_ACCOUNTS = defineOperation({
  method: 'GET',
  path: '/admin/v1/accounts',
  tag: 'admin',
  summary: 'List all accounts, or those of one partner, oldest first',
  query: PageQuery.extend({ partner_id: PathId.min(1).optional() }),
  answers: { 200: z.object({ accounts: z.array(Account), next_cursor: NextCursor }) },
  errors: { 400: true, 401: true, 403: true, 404: 'PARTNER_NOT_FOUND', 429: true, 500: true, 503: true },
  example: { answers: { 200: { accounts: [ACCOUNT], next_cursor: null } } },
})

export const GET_ACCOUNT = defineOperation({
  method: 'GET',
  path: '/admin/v1/accounts/:accountId',
  tag: 'admin',
  summary: 'Get an account',
  params: AccountParams,
  answers: { 200: z.object({ account: Account }) },
  errors: { 400: true, 401: true, 403: true, 404: 'ACCOUNT_NOT_FOUND', 429: true, 500: true, 503: true },
  example: { answers: { 200: { account: ACCOUNT } } },
})

export const SET_ACCOUNT_PLAN = defineOperation({
  method: 'PUT',
  path: '/admin/v1/accounts/:accountId',
  tag: 'admin',
  summary: 'Change the plan of an account',
  description: 'The plan limits how many projects may be active at the same time. Projects that are already active stay active.',
  params: AccountParams,
  body: z.strictObject({ plan: z.enum(ACCOUNT_PLANS) }),
  answers: { 200: z.object({ account: Account }) },
  errors: { 400: true, 401: true, 403: true, 404: 'ACCOUNT_NOT_FOUND', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: { request: { plan: 'paid' }, answers: { 200: { account: ACCOUNT } } },
})
