import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ExportRequest, Exports } from '../../aggregator/exports/exports.ts'
import { explainMissingRecount } from '../../aggregator/statements/byte-day-corrections.ts'
import { EXPORT_FORMATS } from '../../contract/export-formats.ts'
import type { Manifest } from '../../contract/export-manifest.ts'
import type { ExportAction } from '../../contract/schedules.ts'
import type { RetryLimits } from '../../outgoing/call-with-retries.ts'
import type { Networks, Resolve } from '../../outgoing/public-address.ts'
import { findPartner } from '../../registry/partners.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { type ClaimedRun, failed, type RunOutcome } from '../schedules/run-outcome.ts'
import { FolderSink } from './folder-sink.ts'
import { HttpSink } from './http-sink.ts'
import { manifestName, objectName } from './object-names.ts'
import { isDeliveredAs, type PlannedFile, planFiles } from './planned-files.ts'
import { shownTarget } from './shown-target.ts'
import type { PutOutcome, Sink } from './sink.ts'
import { removeOldSpools, SPOOL_PREFIX } from './spools.ts'
import { type Delivery, writeDelivery } from './stored-deliveries.ts'

export interface DeliveriesOptions {
  readonly clickhouse: ClickHouse
  readonly exports: Exports
  /** Undefined: folders are not allowed. */
  readonly exportDir: string | undefined
  readonly allowed: Networks
  readonly resolve?: Resolve | undefined
  /** ms since 1970. */
  readonly now: () => number
  readonly limits?: Partial<RetryLimits> | undefined
}

/**
 * Delivers exports. The name of an object contains the hash of its bytes, so an object never changes; each content of a subject has a
 * revision, and its manifest comes last. The order for each file is the guarantee:
 * 1. Write the export to a temporary file, and compute its hash. A crash leaves a temporary file.
 * 2. If this is another content than the newest revision's, record the next revision. After a crash, the next run repeats the revision
 *    with the same content, or leaves it incomplete and records the next one: a revision never has two contents.
 * 3. Deliver the object, then the manifest. After a crash between them, the object has no manifest, so it does not count.
 * 4. Record that the revision is complete. After a crash before it, the same bytes are delivered again under the same names.
 */
export class Deliveries {
  readonly #options: DeliveriesOptions
  #lastWritten: Promise<unknown> = Promise.resolve()

  constructor(options: DeliveriesOptions) {
    this.#options = options
  }

  /**
   * Any number of runs may deliver at the same time: a receiver that hangs delays its own run only. Each has one file on disk, so the
   * caller limits how many there are. Throws StoreError.
   */
  async deliver(run: ClaimedRun, action: ExportAction, headers: Readonly<Record<string, string>>): Promise<RunOutcome> {
    if (run.signal.aborted) return { status: 'stopped' }
    const { clickhouse, exportDir, now } = this.#options
    await removeOldSpools(exportDir ?? tmpdir(), now())
    const partner = action.partner === undefined ? undefined : await findPartner({ clickhouse }, action.partner)
    if (action.partner !== undefined && partner === undefined) return failed(`The partner ${action.partner} does not exist.`)
    const sink = this.#sinkOf(run, action, headers)
    if (sink === undefined) return failed('Folders are not allowed: EXPORT_DIR is not set in the process that runs schedules.')
    const { files, daysLeft } = await planFiles({ clickhouse, scheduleId: run.scheduleId, dueMs: run.dueMs, action, partner })
    const delivered: string[] = []
    for (const file of files) {
      const outcome = await this.#deliverFile(run, { action, file, sink })
      if (outcome.status !== 'succeeded') return outcome
      if (outcome.message !== '') delivered.push(outcome.message)
    }
    const left = daysLeft === 0 ? '' : ` ${daysLeft} more changed days follow with the next runs.`
    const message = delivered.length === 0 ? 'Nothing has changed since the last delivery.' : `Delivered ${delivered.join(', ')}.${left}`
    return { status: 'succeeded', statusCode: null, message }
  }

  async #deliverFile(run: ClaimedRun, { action, file, sink }: FileOptions): Promise<RunOutcome> {
    // EXPORT_DIR rather than the directory of the system, which is often small.
    const spool = await mkdtemp(join(this.#options.exportDir ?? tmpdir(), SPOOL_PREFIX))
    try {
      const outcome = await this.#writeInTurn(run, file.request, join(spool, 'object'))
      return outcome.status === 'written' ? await this.#deliverContent(run, { action, file, sink, spool, ...outcome }) : outcome
    } finally {
      await rm(spool, { recursive: true, force: true })
    }
  }

  /** Writes one file at a time, because each occupies a session of the store, and a processor for the compression. */
  #writeInTurn(run: ClaimedRun, request: ExportRequest, path: string): Promise<WrittenFile | RunOutcome> {
    const outcome = this.#lastWritten.then(() => (run.signal.aborted ? ({ status: 'stopped' } as const) : this.#write(request, path)))
    this.#lastWritten = outcome.catch(() => {})
    return outcome
  }

  async #write(request: ExportRequest, path: string): Promise<WrittenFile | RunOutcome> {
    const outcome = await this.#options.exports.open(request, () => () => {})
    if (outcome.status === 'no_statement') return failed(`There is no statement for ${request.month}: no month of it is billed.`)
    if (outcome.status === 'byte_days_unknown') return failed(explainMissingRecount(outcome.missing))
    if (outcome.status !== 'opened') return failed('A number of this export has more than the 38 digits that Parquet holds. Use csv, json or ndjson.')
    const { manifest, file, close } = outcome.opened
    const written = await writeAndHash(file, path).finally(close)
    return { status: 'written', manifest, written: { ...written, path } }
  }

  async #deliverContent(run: ClaimedRun, { action, file, sink, manifest, written, spool }: ContentOptions): Promise<RunOutcome> {
    const { clickhouse, now } = this.#options
    const { newest, subject, changes, isDay } = file
    const { sha256, bytes } = written
    const name = objectName(subject, sha256, action.format)
    const isSame = newest?.sha256 === sha256 && newest.status === manifest.status && newest.name === name
    const revision = isSame ? newest.revision : (newest?.revision ?? 0) + 1
    const content = { name, status: manifest.status, sha256, bytes, changes, target: shownTarget(action) }
    const delivery: Delivery = { subject, revision, isComplete: false, ...content, deliveredMs: now() }
    const complete = () => writeDelivery(clickhouse, run.lease, run.scheduleId, { ...delivery, isComplete: true, deliveredMs: now() })
    if (isDay && isSame && newest.isComplete && isDeliveredAs(newest, action)) {
      await complete()
      return { status: 'succeeded', statusCode: null, message: '' }
    }
    if (!isSame) await writeDelivery(clickhouse, run.lease, run.scheduleId, delivery)
    const text = manifestText({ name, revision, sha256, bytes }, manifest)
    const manifestFile = join(spool, 'manifest')
    await writeFile(manifestFile, text)
    const objects = [
      { name, contentType: EXPORT_FORMATS[file.request.format].contentType, file: written.path, bytes },
      { name: manifestName(subject, sha256, revision), contentType: 'application/json; charset=utf-8', file: manifestFile, bytes: Buffer.byteLength(text) },
    ]
    for (const object of objects) {
      const outcome = await sink.put(object)
      if (outcome.status !== 'stored') return notStored(object.name, outcome)
    }
    await complete()
    return { status: 'succeeded', statusCode: null, message: `${name} (revision ${revision})` }
  }

  #sinkOf(run: ClaimedRun, { to }: ExportAction, headers: Readonly<Record<string, string>>): Sink | undefined {
    const { exportDir, allowed, resolve, limits } = this.#options
    if ('url' in to) return new HttpSink({ url: to.url, headers, runId: run.runId, allowed, resolve, signal: run.signal, limits })
    return exportDir === undefined ? undefined : new FolderSink(exportDir, to.folder)
  }
}

interface FileOptions {
  readonly action: ExportAction
  readonly file: PlannedFile
  readonly sink: Sink
}

interface WrittenFile {
  readonly status: 'written'
  readonly manifest: Manifest
  readonly written: { readonly sha256: string; readonly bytes: number; readonly path: string }
}

interface ContentOptions extends FileOptions, Omit<WrittenFile, 'status'> {
  readonly spool: string
}

/** Has nothing that differs between two deliveries of the same content, so that it can be delivered again byte by byte. */
function manifestText(object: { name: string; revision: number; sha256: string; bytes: number }, manifest: Manifest): string {
  const { rows, totals, format, focus_version, include, quantity, partner_id, partners, month, from, to, status } = manifest
  const version = focus_version === null ? {} : { focus_version }
  const byteDays = { ...(include === undefined ? {} : { include }), ...(quantity === undefined ? {} : { quantity }) }
  return `${JSON.stringify({ ...object, rows, totals, format, ...version, ...byteDays, partner_id, partners, month, from, to, status }, null, 2)}\n`
}

async function writeAndHash(chunks: AsyncIterable<Uint8Array>, path: string): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256')
  let bytes = 0
  const counted = async function* () {
    for await (const chunk of chunks) {
      hash.update(chunk)
      bytes += chunk.length
      yield chunk
    }
  }
  await pipeline(counted, createWriteStream(path, { flags: 'wx' }))
  return { sha256: hash.digest('hex'), bytes }
}

function notStored(name: string, outcome: Exclude<PutOutcome, { status: 'stored' }>): RunOutcome {
  return outcome.status === 'stopped' ? outcome : { status: 'failed', statusCode: outcome.statusCode, message: `${name}: ${outcome.reason}` }
}
