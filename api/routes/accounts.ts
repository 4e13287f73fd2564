import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Instant, PathId } from '../../contract/fields.ts'
import { NextCursor, PageQuery } from '../../contract/pages.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import { ACCOUNT_PLANS, type Account, findAccount, setAccountPlan } from '../../registry/accounts.ts'
import { listAccounts } from '../../registry/list-accounts.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { FINANCE, OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { pageOf, requireTimeCursor, writeTimeCursor } from '../requests/cursor.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'

/** The users of co-branded partners, and their plans. */
export function accountRoutes(app: FastifyInstance, { registry }: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['admin'] }

  routes.get(
    '/admin/v1/accounts',
    {
      config: { access: FINANCE },
      schema: {
        ...common,
        summary: 'All accounts, or those of a partner, from the oldest on',
        querystring: PageQuery.extend({ partner_id: PathId.min(1).optional() }),
        response: {
          200: z.object({ accounts: z.array(AccountAnswer), next_cursor: NextCursor }),
          ...errorAnswers(400, 401, 404, 429, 500, 503),
        },
      },
    },
    async (request) => {
      const { partner_id, limit, cursor } = request.query
      const asked = ['accounts', partner_id]
      const after = requireTimeCursor(cursor, asked)
      if (partner_id !== undefined) await requireKnownPartner(registry, partner_id)
      const accounts = await listAccounts(registry, { partnerId: partner_id, after, limit: limit + 1 })
      const { shown, next_cursor } = pageOf(accounts, limit, (last) => writeTimeCursor(asked, last))
      return { accounts: shown.map(accountAnswer), next_cursor }
    },
  )

  routes.get(
    '/admin/v1/accounts/:accountId',
    {
      config: { access: FINANCE },
      schema: {
        ...common,
        summary: 'An account',
        params: AccountParams,
        response: { 200: z.object({ account: AccountAnswer }), ...errorAnswers(401, 404, 429, 500, 503) },
      },
    },
    async (request) => ({ account: accountAnswer(requireFound(await findAccount(registry, request.params.accountId))) }),
  )

  routes.put(
    '/admin/v1/accounts/:accountId',
    {
      config: { access: OPERATOR },
      schema: {
        ...common,
        summary: 'Give an account another plan',
        description: 'The plan decides how many projects may be active at once. Those that are stay active.',
        params: AccountParams,
        body: z.strictObject({ plan: z.enum(ACCOUNT_PLANS) }),
        response: { 200: z.object({ account: AccountAnswer }), ...errorAnswers(400, 401, 404, 415, 429, 500, 503) },
      },
    },
    async (request) => {
      const asked = { accountId: request.params.accountId, plan: request.body.plan }
      return { account: accountAnswer(requireFound(await setAccountPlan(registry, actorOf(request), asked))) }
    },
  )
}

const AccountParams = z.object({ accountId: PathId })

const AccountAnswer = z.object({
  id: z.string(),
  partner_id: z.string(),
  email: z.string(),
  name: z.string(),
  plan: z.enum(ACCOUNT_PLANS),
  created_at: Instant,
})

function accountAnswer({ id, partnerId, email, name, plan, createdMs }: Account): z.output<typeof AccountAnswer> {
  return { id, partner_id: partnerId, email, name, plan, created_at: formatTimestamp(createdMs) }
}

function requireFound(account: Account | undefined): Account {
  if (account === undefined) throw new ApiError('ACCOUNT_NOT_FOUND')
  return account
}
