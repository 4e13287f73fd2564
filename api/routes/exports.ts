import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { ExportRequest, OpenedExport } from '../../aggregator/exports/exports.ts'
import { explainMissingRecount } from '../../aggregator/statements/byte-day-corrections.ts'
import { EXPORT_FORMATS, hasByteDays, isFocus } from '../../contract/export-formats.ts'
import { type Manifest, manifestHeader } from '../../contract/export-manifest.ts'
import { EXPORT_LINES, EXPORT_OWN_STATEMENT, GET_EXPORT_MANIFEST } from '../../contract/exports.ts'
import type { QueryOf } from '../../contract/operation.ts'
import { periodOfMonth } from '../../metering/month.ts'
import { isDay, parsePeriod } from '../../metering/period.ts'
import { findPartner } from '../../registry/partners.ts'
import { FINANCE, PARTNER_READER } from '../auth/access.ts'
import { partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import type { ExportSlots } from '../http/export-slots.ts'
import type { Release } from '../http/keyed-semaphore.ts'
import { requireMonth } from '../requests/period.ts'
import { addRoute } from '../route.ts'

export function exportOwnStatement(app: FastifyInstance, context: ApiContext, slots: ExportSlots): void {
  addRoute(app, EXPORT_OWN_STATEMENT, { access: PARTNER_READER, exposeHeadRoute: false }, async (request, reply) => {
    const partner = partnerOf(request)
    const exportRequest = { ...requireFormat(request.query), partner, ...requireMonthSpan(request.params.month) }
    return sendExport(reply, await openExport(context, exportRequest, () => slots.ofPartner(partner.id)))
  })
}

export function exportLines(app: FastifyInstance, context: ApiContext, slots: ExportSlots): void {
  addRoute(app, EXPORT_LINES, { access: FINANCE, exposeHeadRoute: false }, async (request, reply) =>
    sendExport(reply, await openExport(context, await requireExportRequest(context, request.query), () => slots.ofFinance())),
  )
}

export function getExportManifest(app: FastifyInstance, context: ApiContext, slots: ExportSlots): void {
  addRoute(app, GET_EXPORT_MANIFEST, { access: FINANCE }, async (request) => {
    const opened = await openExport(context, await requireExportRequest(context, request.query), () => slots.ofFinance())
    await opened.close()
    return opened.manifest
  })
}

async function requireExportRequest({ registry }: ApiContext, query: QueryOf<typeof EXPORT_LINES>): Promise<ExportRequest> {
  const { month, from, to, partner: partnerId } = query
  const format = requireFormat(query)
  const partner = partnerId === undefined ? undefined : await findPartner(registry, partnerId)
  if (partnerId !== undefined && partner === undefined) throw new ApiError('PARTNER_NOT_FOUND')
  if (month !== undefined && from === undefined && to === undefined) return { ...format, partner, ...requireMonthSpan(month) }
  if (month !== undefined || from === undefined || to === undefined) throw new ApiError('INVALID_REQUEST', 'Set either month, or both from and to.')
  for (const day of [from, to]) if (!isDay(day)) throw new ApiError('PERIOD_INVALID', `"${day}" is not a calendar day as YYYY-MM-DD.`)
  if (from > to) throw new ApiError('PERIOD_INVALID', `from ${from} is after to ${to}.`)
  const parsed = parsePeriod({ start: from, end: to }, 0)
  if (parsed.status === 'invalid') throw new ApiError('PERIOD_INVALID', parsed.problem)
  return { ...format, partner, month: undefined, period: parsed.period }
}

type FormatQuery = Pick<QueryOf<typeof EXPORT_LINES>, 'format' | 'focus' | 'include' | 'quantity' | 'guard' | 'bom'>

function requireFormat({ format, focus, include, quantity, guard, bom }: FormatQuery): Pick<ExportRequest, 'format' | 'focus' | 'withByteDays' | 'csv'> {
  const onlyForCsv = guard !== undefined ? 'guard' : bom !== undefined ? 'bom' : undefined
  if (onlyForCsv !== undefined && EXPORT_FORMATS[format].container !== 'csv')
    throw new ApiError('INVALID_REQUEST', `${onlyForCsv} is only for formats of CSV; ${format} writes all texts as they are.`)
  if (focus !== undefined && !isFocus(format)) throw new ApiError('INVALID_REQUEST', `focus is only for formats of FOCUS, and ${format} is none.`)
  const rowKind = EXPORT_FORMATS[format].rows
  if (include !== undefined && rowKind !== 'lines')
    throw new ApiError('INVALID_REQUEST', `include is not for formats of FOCUS, and ${format} is one: use quantity=byte_days.`)
  if (quantity !== undefined && rowKind !== 'charges')
    throw new ApiError('INVALID_REQUEST', `quantity is only for charges of FOCUS, and ${format} has none: use include=byte_days.`)
  return { format, focus, withByteDays: hasByteDays({ include, quantity }), csv: { isGuarded: guard !== 'off', hasBom: bom === 'true' } }
}

function requireMonthSpan(text: string): Pick<ExportRequest, 'month' | 'period'> {
  const month = requireMonth(text)
  return { month, period: periodOfMonth(month) }
}

async function openExport({ exports }: ApiContext, request: ExportRequest, acquireSlot: () => Release | undefined): Promise<OpenedExport> {
  const outcome = await exports.open(request, acquireSlot)
  switch (outcome.status) {
    case 'opened':
      return outcome.opened
    case 'no_statement':
      throw new ApiError('STATEMENT_NOT_FOUND')
    case 'busy':
      throw new ApiError('EXPORTS_BUSY')
    case 'too_wide':
      throw new ApiError('NUMBERS_TOO_WIDE')
    case 'byte_days_unknown':
      throw new ApiError('BYTE_DAYS_UNKNOWN', explainMissingRecount(outcome.missing))
  }
}

/** An error in the middle breaks the connection, because a client would take a body that ends normally for a complete file. */
function sendExport(reply: FastifyReply, { manifest, file, close }: OpenedExport): FastifyReply {
  const body = Readable.from(file, { objectMode: false })
  // The stream closes after the last byte, after an error, or when the client disconnects or stops reading.
  body.once(
    'close',
    () => void close().catch((error: unknown) => reply.log.warn({ err: error }, 'the staged rows of an export were not dropped; a later export drops them')),
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

function fileNameOf(manifest: Manifest): string {
  const { format, partner_id, month, from, to } = manifest
  const span = month ?? `${from}_${to}`
  const what = hasByteDays(manifest) ? '-byte-days' : ''
  return `meterline-${(partner_id ?? 'all').replaceAll(/[^\w-]/g, '_')}-${span}${what}.${EXPORT_FORMATS[format].extension}`
}
