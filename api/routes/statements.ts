import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { NEGATIVE_ADJUSTMENT } from '../../aggregator/statements/close-due-months.ts'
import { type ClosingOutcome, closeMonth, nextToClose } from '../../aggregator/statements/close-month.ts'
import { addManualAdjustment } from '../../aggregator/statements/manual-adjustments.ts'
import { setBillingFrom } from '../../aggregator/statements/set-billing-from.ts'
import { readStatementParts } from '../../aggregator/statements/statement-parts.ts'
import { findStatement, listStatements } from '../../aggregator/statements/statements.ts'
import { isPlainText } from '../../metering/event.ts'
import { parseDecimal } from '../../metering/exact-decimal.ts'
import { METRIC_NAMES } from '../../metering/metrics.ts'
import { type Month, monthsOf, parseMonth } from '../../metering/month.ts'
import { dayOf, formatTimestamp } from '../../metering/timestamp.ts'
import { isBilledMonth, readBillingStates } from '../../registry/billing.ts'
import { findPartner } from '../../registry/partners.ts'
import { findProject } from '../../registry/projects/project.ts'
import type { Registry } from '../../registry/registry.ts'
import { FINANCE, OPERATOR, PARTNER } from '../access.ts'
import { requireMonth } from '../asked-period.ts'
import { partnerOf } from '../auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors.ts'
import { errorAnswers, PartnerParams, PathId } from '../schemas.ts'
import { type Shown, StatementAnswer, StatementsAnswer, statementStream, statementsAnswer } from '../statement-answer.ts'
import type { StatementStreams } from '../statement-streams.ts'

/** What a partner is billed, month by month. */
export function statementRoutes(app: FastifyInstance, context: ApiContext, streams: StatementStreams): void {
  const { clickhouse, now } = context
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['statements'] }

  routes.get(
    '/partnership/v1/:partnerId/statements',
    {
      config: { access: PARTNER },
      schema: {
        ...common,
        summary: 'All statements, from the first month that is billed to the current one',
        params: PartnerParams,
        response: { 200: StatementsAnswer, ...errorAnswers(401, 429, 500, 503) },
      },
    },
    async (request) => statementsAnswer(await listStatements(clickhouse, partnerOf(request).id, now())),
  )

  routes.get(
    '/partnership/v1/:partnerId/statements/:month',
    {
      config: { access: PARTNER },
      exposeHeadRoute: false,
      schema: {
        ...common,
        summary: 'The statement of a month',
        description:
          'Open: as metered by now. Closed: fixed for ever but for `unbilled`, which says what came since and is corrected on the next statement to be closed.',
        params: PartnerParams.extend({ month: PathId }),
        response: { 200: StatementAnswer, ...errorAnswers(400, 401, 404, 429, 500, 503) },
      },
    },
    async (request, reply) =>
      sendStatement(request, reply, {
        context,
        streams,
        partnerId: partnerOf(request).id,
        month: requireMonth(request.params.month),
        shown: 'with unbilled',
      }),
  )
}

/** Closing months and what is put on statements by hand. */
export function closingRoutes(app: FastifyInstance, context: ApiContext, streams: StatementStreams): void {
  const { clickhouse, registry, betweenBatches, now } = context
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['statements'] }

  routes.post(
    '/admin/v1/statements/:partnerId/:month/close',
    {
      config: { access: FINANCE },
      schema: {
        ...common,
        summary: 'Close a month of a partner',
        description: 'From its end on, in order, when usage is complete past it and the audit finds 0 differences. Closing it again answers the same bytes.',
        params: PartnerParams.extend({ month: PathId }),
        body: z.strictObject({}).nullish(),
        response: { 200: StatementAnswer, ...errorAnswers(400, 401, 404, 409, 429, 500, 503) },
      },
    },
    async (request, reply) => {
      const { id: partnerId } = await requirePartnerOf(registry, request.params.partnerId)
      const month = requireMonth(request.params.month)
      const outcome = await closeMonth({ clickhouse, betweenBatches, now }, { partnerId, month, closedBy: 'operator' })
      if (outcome.status !== 'closed') throw refusalOf(outcome, month)
      for (const adjustment of outcome.negative) request.log.error({ partnerId, month, ...adjustment }, NEGATIVE_ADJUSTMENT)
      return sendStatement(request, reply, { context, streams, partnerId, month, shown: 'as closed' })
    },
  )

  routes.get(
    '/admin/v1/statements/:partnerId',
    {
      config: { access: FINANCE },
      schema: {
        ...common,
        summary: 'All statements of a partner',
        params: PartnerParams,
        response: { 200: StatementsAnswer, ...errorAnswers(401, 404, 429, 500, 503) },
      },
    },
    async (request) => {
      const { id: partnerId } = await requirePartnerOf(registry, request.params.partnerId)
      return statementsAnswer(await listStatements(clickhouse, partnerId, now()))
    },
  )

  routes.get(
    '/admin/v1/statements/:partnerId/:month',
    {
      config: { access: FINANCE },
      exposeHeadRoute: false,
      schema: {
        ...common,
        summary: 'The statement of a month of a partner',
        params: PartnerParams.extend({ month: PathId }),
        response: { 200: StatementAnswer, ...errorAnswers(400, 401, 404, 429, 500, 503) },
      },
    },
    async (request, reply) => {
      const { id: partnerId } = await requirePartnerOf(registry, request.params.partnerId)
      return sendStatement(request, reply, { context, streams, partnerId, month: requireMonth(request.params.month), shown: 'with unbilled' })
    },
  )

  routes.post(
    '/admin/v1/statements/:partnerId/adjustments',
    {
      config: { access: OPERATOR },
      schema: {
        ...common,
        summary: 'Put a line on the next statement by hand',
        description: 'An event that was wrong cannot be taken back, its bill can. Usage is not touched.',
        params: PartnerParams,
        body: ManualLine,
        response: {
          201: z.object({
            id: z.string(),
            statement: z.string().meta({ description: 'The month that is closed next: its statement will have the line.' }),
          }),
          ...errorAnswers(400, 401, 404, 415, 429, 500, 503),
        },
      },
    },
    async (request, reply) => {
      const { id: partnerId } = await requirePartnerOf(registry, request.params.partnerId)
      const { id: entry = randomUUID(), for_month, project_id, metric, value, reason } = request.body
      if (project_id !== undefined && (await findProject(registry, project_id))?.partnerId !== partnerId) throw new ApiError('PROJECT_NOT_FOUND')
      const [state] = await readBillingStates(clickhouse, partnerId)
      if (state === undefined || !isBilledMonth(state, for_month, now())) throw new ApiError('STATEMENT_NOT_FOUND')
      const adjustment = { entry, forMonth: for_month, projectId: project_id ?? '', metric, value, reason }
      const added = await addManualAdjustment(clickhouse, partnerId, adjustment)
      if (added === 'another') throw new ApiError('MANUAL_LINE_EXISTS')
      request.log.info({ partnerId, ...adjustment }, 'a manual line was put on the next statement')
      return reply.code(201).send({ id: entry, statement: nextToClose(state) })
    },
  )

  routes.patch(
    '/admin/v1/partners/:partnerId',
    {
      config: { access: OPERATOR },
      schema: {
        ...common,
        summary: 'Set the first month that a partner is billed for',
        description: 'Until its first month is closed. Earlier months can be read as usage, but have no statement.',
        params: PartnerParams,
        body: BillingFrom,
        response: {
          200: z.object({ partner: z.object({ id: z.string(), name: z.string(), billing_from: z.string() }) }),
          ...errorAnswers(400, 401, 404, 409, 415, 429, 500, 503),
        },
      },
    },
    async (request) => {
      const { id, name } = await requirePartnerOf(registry, request.params.partnerId)
      requireMeant(request.body, now())
      const outcome = await setBillingFrom(clickhouse, id, request.body.billing_from)
      if (outcome.status === 'elsewhere') throw new ApiError('CLOSING_ELSEWHERE')
      if (outcome.status === 'already_closed')
        throw new ApiError('ALREADY_BILLED', `This partner is closed through ${outcome.closedThrough}, and closed months never change.`)
      return { partner: { id, name, billing_from: request.body.billing_from } }
    },
  )
}

interface AskedStatement {
  readonly context: ApiContext
  readonly streams: StatementStreams
  readonly partnerId: string
  readonly month: Month
  readonly shown: Shown
}

async function sendStatement(request: FastifyRequest, reply: FastifyReply, { context, streams, partnerId, month, shown }: AskedStatement): Promise<never> {
  const { clickhouse, now } = context
  const statement = await findStatement(clickhouse, partnerId, month, now())
  if (statement === undefined) throw new ApiError('STATEMENT_NOT_FOUND')
  streams.begin(partnerId)
  const stream = statementStream(statement, readStatementParts(clickhouse, partnerId, statement, now()), shown)
  streams.endWith(stream, reply, partnerId)
  stream.on('error', (err) => request.log.error({ err, requestId: request.id }, 'the store failed in the middle of an answer, which breaks off'))
  // A stream is sent as it is; the schema describes it.
  return reply.type(JSON_TYPE).send(stream) as never
}

const JSON_TYPE = 'application/json; charset=utf-8'
const REASON_CHARACTERS_MAX = 500

const MonthText = z.string().refine((text) => parseMonth(text) !== undefined, 'must be a month as YYYY-MM')

const FIRST_MONTH = '2000-01'
const MONTHS_BACK_MAX = 24

const BillingFrom = z.strictObject({
  billing_from: MonthText.refine((text) => text >= FIRST_MONTH, `must not be before ${FIRST_MONTH}: no event can be older`),
  confirm: z
    .literal(true)
    .optional()
    .meta({ description: `Needed for a month more than ${MONTHS_BACK_MAX} months ago.` }),
})

/** Every month from it on that is due is closed once the grace is over, and then it cannot be moved any more: a slip of the pen must not do that. */
function requireMeant({ billing_from, confirm }: z.output<typeof BillingFrom>, nowMs: number): void {
  if (confirm === true) return
  const months = monthsOf({ first: `${billing_from}-01`, last: dayOf(nowMs), end: '' }).length - 1
  if (months <= MONTHS_BACK_MAX) return
  throw new ApiError('INVALID_REQUEST', `That is ${months} months ago, which would all be closed for good. Send "confirm": true if it is meant.`)
}

const ManualLine = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z0-9_.:-]{1,64}$/, 'must be 1 to 64 of the characters A-Z a-z 0-9 _ . : -')
    .optional()
    .meta({ description: 'A name of your own: sent again under the same, it is one line.' }),
  for_month: MonthText.meta({ description: 'The month it corrects.' }),
  project_id: z.string().optional(),
  metric: z.enum(METRIC_NAMES),
  value: z
    .string()
    .refine((text) => (parseDecimal(text) ?? '0') !== '0', 'must be a decimal other than 0 as text, such as "-12.5": at most 29 integer and 9 fraction digits')
    .meta({ description: 'With its sign, as text so that no digit is lost.' }),
  reason: z.string().trim().min(1).max(REASON_CHARACTERS_MAX).refine(isPlainText, 'must not contain control characters'),
})

async function requirePartnerOf(registry: Registry, partnerId: string) {
  const partner = await findPartner(registry, partnerId)
  if (partner === undefined) throw new ApiError('PARTNER_NOT_FOUND')
  return partner
}

/** Why a month is not closed, and what would help. */
function refusalOf(outcome: Exclude<ClosingOutcome, { status: 'closed' }>, month: Month): ApiError {
  switch (outcome.status) {
    case 'no_statement':
      return new ApiError('STATEMENT_NOT_FOUND', `This partner is billed from ${outcome.billingFrom} on; ${month} has no statement.`)
    case 'not_over':
      return new ApiError('MONTH_NOT_OVER', `${month} is not over before ${formatTimestamp(outcome.overMs)}.`)
    case 'earlier_open':
      return new ApiError('EARLIER_MONTH_OPEN', `Months close in order: close ${outcome.month} first.`)
    case 'not_complete':
      return new ApiError(
        'MONTH_NOT_COMPLETE',
        `Usage is complete up to ${outcome.asOfMs === null ? 'no time yet' : formatTimestamp(outcome.asOfMs)}, which is before the end of ${month}. See that every log is read.`,
      )
    case 'audit_differs':
      return new ApiError(
        'AUDIT_DIFFERS',
        `The audit of ${month} finds ${outcome.differences} differences. "meterline audit" lists them; they are repaired by the log's owner, or by "meterline rebuild".`,
      )
    case 'elsewhere':
      return new ApiError('CLOSING_ELSEWHERE')
  }
}
