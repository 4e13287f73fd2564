import type { ExportAction, ScheduleDefinition } from '../../contract/schedules.ts'
import { callWithRetries, type RetryLimits } from '../../outgoing/call-with-retries.ts'
import { type Networks, parseCallableUrl, type Resolve } from '../../outgoing/public-address.ts'
import type { RegistryReads } from '../../registry/changes.ts'
import type { MasterKeys } from '../../registry/keys/sealing.ts'
import { readSecretValues } from '../../registry/secrets/live-values.ts'
import { isHeaderValue, secretKeysOf } from './check-definition.ts'
import { type ClaimedRun, failed, outcomeOfCall, type RunOutcome } from './run-outcome.ts'
import { fillSecrets } from './secret-templates.ts'

export interface ScheduleRunner extends RegistryReads {
  /** Undefined in a process without MASTER_KEY, where runs that need a secret fail. */
  readonly masterKeys: MasterKeys | undefined
  readonly allowed: Networks
  /** Default: by the system. */
  readonly resolve?: Resolve | undefined
  readonly now: () => number
  /** Delivers an export; `headers` are for calls and may contain secrets. */
  readonly deliver: (run: ClaimedRun, action: ExportAction, headers: Readonly<Record<string, string>>) => Promise<RunOutcome>
  readonly limits?: Partial<RetryLimits> | undefined
}

const CALL_LIMITS: RetryLimits = { attemptsMax: 3, timeoutMs: 30_000, responseBytesMax: 65_536, retryMsFirst: 1_000, retryMsMax: 30_000 }

/**
 * Carries out a claimed run: calls the URL, or delivers the export. The id of the run is sent as webhook-id and idempotency-key, so that
 * a receiver recognizes a repetition. Throws StoreError; whatever else goes wrong is an outcome.
 */
export async function runSchedule(runner: ScheduleRunner, definition: ScheduleDefinition, run: ClaimedRun): Promise<RunOutcome> {
  const filled = await fillHeaders(runner, definition)
  if (filled.status === 'unusable') return failed(filled.message)
  const headers = { ...filled.headers, 'webhook-id': run.runId, 'idempotency-key': run.runId }
  if (definition.export !== null) return runner.deliver(run, definition.export, headers)
  return callFunction(runner, definition, { run, headers })
}

async function callFunction(
  { allowed, resolve, limits }: ScheduleRunner,
  { functionUrl, httpMethod, body }: ScheduleDefinition,
  { run, headers }: { run: ClaimedRun; headers: Readonly<Record<string, string>> },
): Promise<RunOutcome> {
  const url = parseCallableUrl(functionUrl ?? '')
  if (url === undefined) return failed('Not called: functionUrl is not an http or https URL.')
  const bytes = httpMethod === 'GET' || body === null ? undefined : Buffer.from(JSON.stringify(body), 'utf8')
  const ofBody = bytes === undefined ? { 'content-length': 0 } : { 'content-length': bytes.length }
  const request = {
    method: httpMethod,
    headers: {
      'user-agent': 'Meterline',
      ...(bytes === undefined ? {} : { 'content-type': 'application/json' }),
      ...lowerCased(headers),
      ...(httpMethod === 'GET' ? {} : ofBody),
    },
    body: bytes,
  }
  const used = { ...CALL_LIMITS, ...limits }
  return outcomeOfCall(await callWithRetries({ url, allowed, resolve }, () => request, { limits: used, signal: run.signal }), used)
}

/** So that a header of the schedule replaces one of ours, however it is written. */
function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

type FilledHeaders = { status: 'filled'; headers: Record<string, string> } | { status: 'unusable'; message: string }

async function fillHeaders({ clickhouse, masterKeys, now }: ScheduleRunner, definition: ScheduleDefinition): Promise<FilledHeaders> {
  const keys = secretKeysOf(definition)
  if (keys.length === 0) return { status: 'filled', headers: definition.headers }
  if (masterKeys === undefined)
    return { status: 'unusable', message: `The secret ${keys[0]} cannot be read: set MASTER_KEY in the process that runs schedules.` }
  const reading = await readSecretValues({ clickhouse, masterKeys }, keys, now())
  if (reading.status === 'unusable') return { status: 'unusable', message: `The secret ${reading.key} ${UNUSABLE[reading.reason]}. Nothing was sent.` }
  const headers: Record<string, string> = {}
  for (const [name, template] of Object.entries(definition.headers)) {
    const value = fillSecrets(template, reading.values)
    if (!isHeaderValue(value))
      return { status: 'unusable', message: `The header ${name} was not sent: a secret in it has characters that a header cannot have.` }
    headers[name] = value
  }
  return { status: 'filled', headers }
}

const UNUSABLE = {
  missing: 'does not exist',
  inactive: 'is inactive',
  expired: 'has expired',
  sealed: 'was sealed with another MASTER_KEY than that of this process',
} as const
