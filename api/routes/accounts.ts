import type { FastifyInstance } from 'fastify'
import { GET_ACCOUNT, LIST_ACCOUNTS, SET_ACCOUNT_PLAN } from '../../contract/accounts.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import { type Account, findAccount } from '../../registry/accounts.ts'
import { setAccountPlan } from '../../registry/change-accounts.ts'
import { listAccounts } from '../../registry/list-accounts.ts'
import { FINANCE, OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { pageOf, requireTimeCursor, writeTimeCursor } from '../requests/cursor.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'
import { addRoute } from '../route.ts'

export function listAccountsRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, LIST_ACCOUNTS, { access: FINANCE }, async (request) => {
    const { partner_id, limit, cursor } = request.query
    const query = ['accounts', partner_id]
    const after = requireTimeCursor(cursor, query)
    if (partner_id !== undefined) await requireKnownPartner(registry, partner_id)
    const accounts = await listAccounts(registry, { partnerId: partner_id, after, limit: limit + 1 })
    const { shown, next_cursor } = pageOf(accounts, limit, (last) => writeTimeCursor(query, last))
    return { accounts: shown.map(accountAnswer), next_cursor }
  })
}

export function getAccount(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, GET_ACCOUNT, { access: FINANCE }, async (request) => {
    const account = requireFound(await findAccount(registry, request.params.accountId))
    return { account: accountAnswer(account) }
  })
}

export function setAccountPlanRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, SET_ACCOUNT_PLAN, { access: OPERATOR }, async (request) => {
    const change = { accountId: request.params.accountId, plan: request.body.plan }
    return { account: accountAnswer(requireFound(await setAccountPlan(registry, actorOf(request), change))) }
  })
}

function accountAnswer({ id, partnerId, email, name, plan, createdMs }: Account): AnswerOf<typeof GET_ACCOUNT>['account'] {
  return { id, partner_id: partnerId, email, name, plan, created_at: formatTimestamp(createdMs) }
}

function requireFound(account: Account | undefined): Account {
  if (account === undefined) throw new ApiError('ACCOUNT_NOT_FOUND')
  return account
}
