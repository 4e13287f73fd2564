import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { isBilledMonth, nextToClose, readBillingStates } from '../../aggregator/statements/billing-state.ts'
import { type ClosingOutcome, closeMonth } from '../../aggregator/statements/close-month.ts'
import { readLinesAsJson } from '../../aggregator/statements/lines-as-json.ts'
import { addManualAdjustment } from '../../aggregator/statements/manual-adjustments.ts'
import { findStatement, listStatements } from '../../aggregator/statements/read-statements.ts'
import { MonthParam, MonthText, PartnerParams } from '../../contract/fields.ts'
import { isPlainText } from '../../metering/event.ts'
import { parseDecimal } from '../../metering/exact-decimal.ts'
import { METRIC_NAMES } from '../../metering/metrics.ts'
import type { Month } from '../../metering/month.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import type { Noting } from '../../registry/audit-log.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { type Shown, StatementAnswer, StatementsAnswer, statementStream, statementsAnswer } from '../answers/statement.ts'
import { FINANCE, OPERATOR, PARTNER } from '../auth/access.ts'
import { actorOf, partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import type { StatementStreams } from '../http/open-streams.ts'
import { requireMonth } from '../requests/period.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'
import { requireProjectOf } from '../requests/require-project.ts'

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
        params: PartnerParams.extend({ month: MonthParam }),
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
        params: PartnerParams.extend({ month: MonthParam }),
        body: z.strictObject({}).nullish(),
        response: { 200: StatementAnswer, ...errorAnswers(400, 401, 404, 409, 429, 500, 503) },
      },
    },
    async (request, reply) => {
      const { id: partnerId } = await requireKnownPartner(registry, request.params.partnerId)
      const month = requireMonth(request.params.month)
      const note: Noting = (noted) => registry.changes.note(actorOf(request), noted)
      const outcome = await closeMonth(
        { clickhouse, runBetweenBatches: betweenBatches, now, note, logger: request.log },
        { partnerId, month, closedBy: 'operator' },
      )
      if (outcome.status !== 'closed') throw refusalOf(outcome, month)
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
      const { id: partnerId } = await requireKnownPartner(registry, request.params.partnerId)
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
        params: PartnerParams.extend({ month: MonthParam }),
        response: { 200: StatementAnswer, ...errorAnswers(400, 401, 404, 429, 500, 503) },
      },
    },
    async (request, reply) => {
      const { id: partnerId } = await requireKnownPartner(registry, request.params.partnerId)
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
            statement: z
              .string()
              .meta({ description: 'The month whose statement has the line: the one that is closed next, unless it was sent before and is billed.' }),
          }),
          ...errorAnswers(400, 401, 404, 409, 415, 429, 500, 503),
        },
      },
    },
    async (request, reply) => {
      const { id: partnerId } = await requireKnownPartner(registry, request.params.partnerId)
      const { id: entry = randomUUID(), for_month, project_id, metric, value, reason } = request.body
      if (project_id !== undefined) await requireProjectOf(registry, { partnerId, projectId: project_id })
      const [state] = await readBillingStates(clickhouse, partnerId)
      if (state === undefined || !isBilledMonth(state, for_month, now())) throw new ApiError('STATEMENT_NOT_FOUND')
      const adjustment = { entry, forMonth: for_month, projectId: project_id ?? '', metric, value, reason }
      const note: Noting = (noted) => registry.changes.note(actorOf(request), noted)
      const added = await addManualAdjustment({ clickhouse, note }, partnerId, adjustment)
      if (added.status === 'another') throw new ApiError('MANUAL_LINE_EXISTS')
      request.log.info({ partnerId, ...adjustment }, 'a manual line was put on the next statement')
      return reply.code(201).send({ id: entry, statement: added.billedIn ?? nextToClose(state) })
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
  const endStream = streams.begin(partnerId)
  const stream = statementStream(statement, readLinesAsJson(clickhouse, partnerId, statement, now()), shown)
  streams.endWith(stream, reply, endStream)
  stream.on('error', (err) => request.log.error({ err, requestId: request.id }, 'the store failed in the middle of an answer, which breaks off'))
  // A stream is sent as it is; the schema describes it.
  return reply.type(JSON_TYPE).send(stream) as never
}

const JSON_TYPE = 'application/json; charset=utf-8'
const REASON_CHARACTERS_MAX = 500

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
