import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { ExportRequest, OpenedExport } from '../../aggregator/exports/exports.ts'
import { EXPORT_FORMAT_NAMES, EXPORT_FORMATS } from '../../contract/export-formats.ts'
import { Manifest, manifestHeader } from '../../contract/export-manifest.ts'
import { DayParam, MonthParam, PartnerParams } from '../../contract/fields.ts'
import { periodOfMonth } from '../../metering/month.ts'
import { isDay, parsePeriod } from '../../metering/period.ts'
import { findPartner } from '../../registry/partners.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { FINANCE, PARTNER } from '../auth/access.ts'
import { partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { requireMonth } from '../requests/period.ts'

const ABOUT =
  'The body is streamed; it is whole if it ends normally. The header `x-meterline-manifest` says what it holds: rows, and what the values of each metric add up to.'

/** A partner's own statement as a file. */
export function statementExportRoutes(app: FastifyInstance, context: ApiContext): void {
  app.withTypeProvider<ZodTypeProvider>().get(
    '/partnership/v1/:partnerId/statements/:month/export',
    {
      config: { access: PARTNER },
      exposeHeadRoute: false,
      schema: {
        tags: ['statements'],
        summary: 'The statement of a month as a file',
        description: `Closed: the same bytes for ever. Open: usage as metered by now. ${ABOUT}`,
        params: PartnerParams.extend({ month: MonthParam }),
        querystring: z.strictObject({ format: Format }),
        response: { 200: FileAnswer, ...errorAnswers(400, 401, 404, 409, 429, 500, 503) },
      },
    },
    async (request, reply) => {
      const { format } = request.query
      const opened = await openExport(context, { format, partner: partnerOf(request), ...monthAsked(request.params.month) }, 'partner')
      return sendExport(reply, opened)
    },
  )
}

/** Finance's files: a month of one partner or of all, or the usage of any days. */
export function exportRoutes(app: FastifyInstance, context: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['statements'], querystring: ExportQuery }

  routes.get(
    '/admin/v1/exports',
    {
      config: { access: FINANCE },
      exposeHeadRoute: false,
      schema: {
        ...common,
        summary: 'Statements or usage as a file',
        description: `A month: the statements of the partners that are billed for it. Days: usage as metered by now. ${ABOUT}`,
        response: { 200: FileAnswer, ...errorAnswers(400, 401, 404, 409, 429, 500, 503) },
      },
    },
    async (request, reply) => sendExport(reply, await openExport(context, await exportAsked(context, request.query), 'finance')),
  )

  routes.get(
    '/admin/v1/exports/manifest',
    {
      config: { access: FINANCE },
      schema: {
        ...common,
        summary: 'What a file would hold now',
        description: 'The same as the header `x-meterline-manifest` of the file, without the file: what `meterline verify` compares with.',
        response: { 200: Manifest, ...errorAnswers(400, 401, 404, 409, 429, 500, 503) },
      },
    },
    async (request) => {
      const opened = await openExport(context, await exportAsked(context, request.query), 'finance')
      await opened.close()
      return opened.manifest
    },
  )
}

const Format = z.enum(EXPORT_FORMAT_NAMES).default('csv')

/** It is streamed as it is; this describes it. */
const FileAnswer = {
  description: 'The file, in the format that was asked for.',
  content: Object.fromEntries(Object.values(EXPORT_FORMATS).map(({ contentType }) => [contentType.split(';')[0] ?? contentType, { schema: z.any() }])),
}

const ExportQuery = z.strictObject({
  month: MonthParam.optional().meta({ description: 'YYYY-MM. Either this, or from and to.' }),
  from: DayParam.optional().meta({ description: 'First day, YYYY-MM-DD.' }),
  to: DayParam.optional().meta({ description: 'Last day, inclusive.' }),
  partner: z.string().optional().meta({ description: 'Default: all partners.' }),
  format: Format,
})

async function exportAsked({ registry }: ApiContext, { month, from, to, partner: partnerId, format }: z.output<typeof ExportQuery>): Promise<ExportRequest> {
  const partner = partnerId === undefined ? undefined : await findPartner(registry, partnerId)
  if (partnerId !== undefined && partner === undefined) throw new ApiError('PARTNER_NOT_FOUND')
  if (month !== undefined && from === undefined && to === undefined) return { format, partner, ...monthAsked(month) }
  if (month !== undefined || from === undefined || to === undefined) throw new ApiError('INVALID_REQUEST', 'Ask for a month, or for from and to.')
  for (const day of [from, to]) if (!isDay(day)) throw new ApiError('PERIOD_INVALID', `"${day}" is not a calendar day as YYYY-MM-DD.`)
  if (from > to) throw new ApiError('PERIOD_INVALID', `from ${from} is after to ${to}.`)
  const parsed = parsePeriod({ start: from, end: to }, 0)
  if (parsed.status === 'invalid') throw new ApiError('PERIOD_INVALID', parsed.problem)
  return { format, partner, month: undefined, period: parsed.period }
}

function monthAsked(text: string): Pick<ExportRequest, 'month' | 'period'> {
  const month = requireMonth(text)
  return { month, period: periodOfMonth(month) }
}

async function openExport({ exports }: ApiContext, request: ExportRequest, reader: 'finance' | 'partner'): Promise<OpenedExport> {
  const outcome = await exports.open(request, reader)
  switch (outcome.status) {
    case 'opened':
      return outcome.opened
    case 'no_statement':
      throw new ApiError('STATEMENT_NOT_FOUND')
    case 'busy':
      throw new ApiError('EXPORTS_BUSY')
    case 'too_wide':
      throw new ApiError('NUMBERS_TOO_WIDE')
  }
}

/** An error in the middle breaks the connection: a body that ended normally would be taken for whole. */
function sendExport(reply: FastifyReply, { manifest, file, close }: OpenedExport): FastifyReply {
  const body = Readable.from(file, { objectMode: false })
  // Whatever ends it: the last byte, an error, a client that went away or takes nothing any more.
  body.once(
    'close',
    () => void close().catch((error: unknown) => reply.log.warn({ err: error }, 'the rows of an export were not dropped; a later export drops them')),
  )
  reply.raw.setTimeout(SILENCE_MS_MAX, () => reply.raw.destroy())
  return reply
    .type(EXPORT_FORMATS[manifest.format].contentType)
    .header('content-disposition', `attachment; filename="${fileNameOf(manifest)}"`)
    .header('cache-control', 'no-store')
    .header('x-meterline-manifest', manifestHeader(manifest))
    .send(body)
}

const SILENCE_MS_MAX = 600_000

function fileNameOf({ format, partner_id, month, from, to }: Manifest): string {
  const span = month ?? `${from}_${to}`
  return `meterline-${(partner_id ?? 'all').replaceAll(/[^\w-]/g, '_')}-${span}.${EXPORT_FORMATS[format].extension}`
}
