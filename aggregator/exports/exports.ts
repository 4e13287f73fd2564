import { randomUUID } from 'node:crypto'
import { EXPORT_FORMATS, type ExportFormat, FOCUS_VERSION_DEFAULT, type FocusVersion, isFocus } from '../../contract/export-formats.ts'
import type { Manifest } from '../../contract/export-manifest.ts'
import type { Period } from '../../metering/period.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import type { RegistryReads } from '../../registry/changes.ts'
import { type Partner, readPartners } from '../../registry/partners.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { firstShardOf } from '../../sql/shards.ts'
import { readAsOf } from '../as-of.ts'
import { findMissingRecount, type MissingRecount } from '../statements/byte-day-corrections.ts'
import type { CsvOptions } from './export-csv.ts'
import { exportFile } from './export-file.ts'
import { type ExportedMonth, readExportedMonths } from './export-months.ts'
import { type ExportTotals, readExportTotals } from './export-totals.ts'
import { billingPeriodRows } from './focus-billing-periods.ts'
import { stageClosedLinesWithByteDays } from './stage-byte-days.ts'
import { dropStagedRows, stageClosedLines, stageLiveUsage } from './stage-rows.ts'
import type { ExportSource } from './stream-rows.ts'

export interface ExportRequest {
  readonly format: ExportFormat
  /** Of the formats of FOCUS; the newest by default. */
  readonly focus?: FocusVersion | undefined
  /** Lines get the byte-days of peaks as further columns; charges of FOCUS are by them instead of the peak. */
  readonly withByteDays?: boolean | undefined
  /** For CSV; other formats write texts as they are. */
  readonly csv: CsvOptions
  /** Undefined for all partners. */
  readonly partner: Partner | undefined
  /** Set for a month: as billed if it is closed, otherwise as metered by now. Undefined for a span of days, always as metered by now. */
  readonly month: string | undefined
  /** The days of the month or of the span. */
  readonly period: Period
}

export interface OpenedExport {
  readonly manifest: Manifest
  /** The file, to be read once. It throws when it cannot be completed. */
  readonly file: AsyncIterable<Uint8Array>
  /** Must be called, whether or not the file was read. */
  close(): Promise<void>
}

/** With any status but `opened`, nothing was opened. */
export type ExportOutcome =
  | { status: 'opened'; opened: OpenedExport }
  | { status: 'no_statement' }
  | { status: 'busy' }
  | { status: 'too_wide' }
  | { status: 'byte_days_unknown'; missing: MissingRecount }

export interface ExportsOptions {
  readonly registry: RegistryReads
  /** Program and version, for the manifest. */
  readonly generator: string
  /** ISO 4217. */
  readonly currency: string
  /** ms since 1970. */
  readonly now: () => number
}

/**
 * Opens exports. An export occupies a session of the store until it ends, however slowly its client reads it. Therefore only a few run
 * at a time, and they have sessions of their own.
 */
export class Exports {
  readonly #options: ExportsOptions
  readonly #idle: Lane[] = []
  readonly #closing = new Set<Promise<void>>()

  constructor(options: ExportsOptions) {
    this.#options = options
  }

  /**
   * Stages the rows first, so that the manifest is known before the first byte. `acquireSlot` limits how many run; it returns what
   * releases the slot, or undefined if none is free. Throws StoreError.
   */
  async open(request: ExportRequest, acquireSlot: () => (() => void) | undefined): Promise<ExportOutcome> {
    const { registry, now } = this.#options
    const months = await readExportedMonths(registry.clickhouse, { ...request, partnerId: request.partner?.id, nowMs: now() })
    if (request.month !== undefined && months.length === 0) return { status: 'no_statement' }
    const releaseSlot = acquireSlot()
    if (releaseSlot === undefined) return { status: 'busy' }
    const exportId = randomUUID()
    let lane: Lane | undefined
    const close = once(async () => {
      releaseSlot()
      if (lane === undefined) return
      const { clickhouse } = this.#options.registry
      // Partitions are dropped on the server that has them.
      const dropping = dropStagedRows(clickhouse.shards === undefined ? lane : firstShardOf(clickhouse).work, exportId)
      this.#closing.add(dropping)
      await dropping.finally(() => this.#closing.delete(dropping))
      this.#idle.push(lane)
    })
    try {
      lane = this.#idle.pop() ?? (await registry.clickhouse.openLane())
      const missing = await findMissingRecountOf(lane, months, request)
      if (missing !== undefined) {
        await close()
        return { status: 'byte_days_unknown', missing }
      }
      const prepared = await this.#prepare({ lane, exportId, months, request })
      if (prepared === undefined) await close()
      return prepared === undefined ? { status: 'too_wide' } : { status: 'opened', opened: { ...prepared, close } }
    } catch (thrown) {
      await close().catch(() => {})
      throw thrown
    }
  }

  /** Waits until the staged rows of ended exports are dropped. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#closing)
  }

  /** Undefined when a value has more digits than the format supports. */
  async #prepare({ lane, exportId, months, request }: PreparationOptions): Promise<Omit<OpenedExport, 'close'> | undefined> {
    const { registry, currency } = this.#options
    const { format, period } = request
    const { rows: rowKind, container } = EXPORT_FORMATS[format]
    const liveAsOfMs = await readAsOf(registry.clickhouse)
    const partners = request.partner === undefined ? await readPartners(registry) : [request.partner]
    if (rowKind === 'months') {
      const { rows, file } = billingPeriodRows({ months, partners, liveAsOfMs, csv: request.csv })
      return { manifest: this.#manifest({ request, months, liveAsOfMs }, { rows, totals: [] }), file }
    }
    const source = await this.#stageRows({ lane, exportId, months, request })
    const sums = await readExportTotals(lane, source, { rows: rowKind, withByteDays: request.withByteDays === true })
    if (container === 'parquet' && !sums.fitsParquet) return undefined
    const version = request.focus ?? FOCUS_VERSION_DEFAULT
    const charges = { version, exportId, isByDays: request.withByteDays === true, from: period.first, end: period.end, currency, partners }
    const manifest = this.#manifest({ request, months, liveAsOfMs }, sums)
    return { manifest, file: exportFile(lane, { manifest, source, charges, csv: request.csv }) }
  }

  /** Stages the rows, unless they are the lines of one closed statement: these never change and are read in place. */
  async #stageRows({ lane, exportId, months, request }: PreparationOptions): Promise<ExportSource> {
    const { rows, container } = EXPORT_FORMATS[request.format]
    const { month, withByteDays = false } = request
    const [only] = months
    if (
      !withByteDays &&
      request.month !== undefined &&
      request.partner !== undefined &&
      only?.closed !== undefined &&
      rows === 'lines' &&
      container !== 'parquet'
    )
      return { kind: 'closed', partnerId: only.partnerId, closing: only.closed.closing }
    const live = [...new Set(months.filter((each) => !isBilled(request, each)).map(({ partnerId }) => partnerId))]
    const closings = closingsOf(months, request)
    if (withByteDays && month !== undefined) await stageClosedLinesWithByteDays(lane, { exportId, closings, month })
    else await stageClosedLines(lane, { exportId, closings, withDays: rows === 'charges' })
    const days = withByteDays ? 'of all' : rows === 'charges' ? 'of sums' : 'none'
    await stageLiveUsage(lane, { exportId, partnerIds: live, from: request.period.first, end: request.period.end, days })
    return { kind: 'staged', exportId, withByteDays }
  }

  #manifest({ request, months, liveAsOfMs }: ResolvedExport, { rows, totals }: Pick<ExportTotals, 'rows' | 'totals'>): Manifest {
    const { format, focus, csv, partner, month, period } = request
    const { rows: rowKind } = EXPORT_FORMATS[format]
    const isCsv = EXPORT_FORMATS[format].container === 'csv'
    const asOf = months.map(({ closed }) => (month === undefined || closed === undefined ? liveAsOfMs : closed.asOfMs))
    const known = asOf.filter((each) => each !== null)
    return {
      generator: this.#options.generator,
      format,
      focus_version: isFocus(format) ? (focus ?? FOCUS_VERSION_DEFAULT) : null,
      // Left out unless they were chosen, so that the manifests of all other files are what they were.
      ...(request.withByteDays === true && rowKind === 'lines' ? { include: 'byte_days' as const } : {}),
      ...(request.withByteDays === true && rowKind === 'charges' ? { quantity: 'byte_days' as const } : {}),
      guard: isCsv ? (csv.isGuarded ? 'on' : 'off') : null,
      bom: isCsv ? csv.hasBom : null,
      partner_id: partner?.id ?? null,
      partners: new Set(months.map(({ partnerId }) => partnerId)).size,
      month: month ?? null,
      from: period.first,
      to: period.last,
      status: months.length > 0 && months.every((each) => isBilled(request, each)) ? 'closed' : 'open',
      statement_sha256: partner === undefined || month === undefined ? null : (months[0]?.closed?.sha256 ?? null),
      as_of: known.length < asOf.length || known.length === 0 ? null : formatTimestamp(Math.min(...known)),
      rows,
      totals: [...totals],
    }
  }
}

interface PreparationOptions {
  readonly lane: Lane
  readonly exportId: string
  readonly months: readonly ExportedMonth[]
  readonly request: ExportRequest
}

interface ResolvedExport {
  readonly request: ExportRequest
  readonly months: readonly ExportedMonth[]
  readonly liveAsOfMs: number | null
}

/** Whether the rows of the month are the lines of a statement, and not usage as metered by now. */
function isBilled({ month }: ExportRequest, { closed }: ExportedMonth): boolean {
  return month !== undefined && closed !== undefined
}

function closingsOf(months: readonly ExportedMonth[], { month }: ExportRequest): [string, string][] {
  return months.flatMap(({ partnerId, closed }): [string, string][] => (month === undefined || closed === undefined ? [] : [[partnerId, closed.closing]]))
}

async function findMissingRecountOf(lane: Lane, months: readonly ExportedMonth[], request: ExportRequest): Promise<MissingRecount | undefined> {
  const { month, withByteDays = false } = request
  return withByteDays && month !== undefined ? findMissingRecount(lane, { closings: closingsOf(months, request), month }) : undefined
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined
  return () => {
    done ??= work()
    return done
  }
}
