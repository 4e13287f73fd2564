import { counted } from '../../metering/counted.ts'
import { type Finding, namesOf } from './finding.ts'
import type { State } from './read-state.ts'

const DISK_FREE_SHARE_CRITICAL = 0.05
const DISK_FREE_SHARE_WARNING = 0.15
const WORK_STALE_MS = 15 * 60_000
const MS_PER_DAY = 86_400_000
/** Three times the default of SIGNING_KEY_DAYS. */
const SIGNING_KEY_DAYS_MAX = 90
const INGEST_KEY_DAYS_MAX = 365
const UNUSED_DAYS_MAX = 90

/** Disks, background work, keys, the log, and what could not be read. */
export function findInProcess(state: State): Finding[] {
  return [...disks(state), ...work(state), ...signingKeys(state), ...ingestKeys(state), ...errors(state), ...unread(state)]
}

function disks({ report: { database } }: State): Finding[] {
  return database.disks.flatMap(({ name, free_bytes, total_bytes }): Finding[] => {
    const share = free_bytes / total_bytes
    if (!(share < DISK_FREE_SHARE_WARNING)) return []
    return [
      {
        ...{ id: 'disk_full', severity: share < DISK_FREE_SHARE_CRITICAL ? 'critical' : 'warning', category: 'health' },
        what: `The disk ${name} of the database has ${(share * 100).toFixed(0)} % left (${gibibytes(free_bytes)} of ${gibibytes(total_bytes)}).`,
        ...{
          cause: 'Without space no event is accepted. Raw events are kept permanently.',
          next: 'Enlarge the disk; "meterline diagnose db" names the largest tables',
        },
      },
    ]
  })
}

function work({ nowMs, report: { background, process } }: State): Finding[] {
  return (background?.work ?? []).flatMap(({ name, every_seconds, failures, last_success_at }): Finding[] => {
    const sinceMs = Date.parse(last_success_at ?? process.started_at)
    if (failures === 0 || nowMs - sinceMs < WORK_STALE_MS + every_seconds * 1_000) return []
    return [
      {
        ...{
          id: 'work_fails',
          severity: 'warning',
          category: 'health',
          what: `The background job ${name} has not succeeded since ${last_success_at ?? 'the start'}.`,
        },
        ...{ cause: `It failed ${counted(failures, 'time')} since the start.`, next: 'meterline logs --level error' },
      },
    ]
  })
}

function signingKeys({ nowMs, signingKeys: keys = [] }: State): Finding[] {
  const signing = keys.find(({ state }) => state === 'signing')
  if (signing === undefined) return []
  const days = ageDays(nowMs, signing.signs_from)
  if (days <= SIGNING_KEY_DAYS_MAX) return []
  return [
    {
      ...{ id: 'signing_key_old', severity: 'warning', category: 'security', what: `The signing key ${signing.kid} has signed for ${counted(days, 'day')}.` },
      ...{ cause: 'SIGNING_KEY_DAYS is 0 or longer than that.', next: 'meterline keys rotate' },
    },
  ]
}

function ingestKeys({ nowMs, ingestKeys: keys = [] }: State): Finding[] {
  const valid = keys.filter(({ revoked_at }) => revoked_at === null)
  const unused = valid.filter(({ created_at, last_used_at }) => ageDays(nowMs, last_used_at ?? created_at) > UNUSED_DAYS_MAX)
  const old = valid.filter((key) => !unused.includes(key) && ageDays(nowMs, key.created_at) > INGEST_KEY_DAYS_MAX)
  const ofKeys = (found: typeof valid, finding: Omit<Finding, 'what' | 'severity' | 'category'>, what: string): Finding[] =>
    found.length === 0 ? [] : [{ ...finding, severity: 'info', category: 'security', what: `${what}: ${namesOf(found.map(({ name }) => name))}.` }]
  return [
    ...ofKeys(
      unused,
      { id: 'ingest_keys_unused', cause: 'A key that no emitter needs can only leak.', next: 'meterline ingest-keys revoke <id>' },
      `${counted(unused.length, 'ingest key')} not used for more than ${UNUSED_DAYS_MAX} days`,
    ),
    ...ofKeys(
      old,
      {
        id: 'ingest_keys_old',
        cause: 'The longer a key exists, the more copies of it there are.',
        next: 'Create a new key, give it to the emitter, then revoke the old one',
      },
      `${counted(old.length, 'ingest key')} older than ${INGEST_KEY_DAYS_MAX} days`,
    ),
  ]
}

function errors({ errors: lines = [] }: State): Finding[] {
  const last = lines.at(-1)
  if (last === undefined) return []
  return [
    {
      ...{
        id: 'errors_logged',
        severity: 'warning',
        category: 'health',
        what: `The process logged ${counted(lines.length, 'error')}, the last at ${last.time}.`,
      },
      ...{ cause: `${last.source}: ${last.message}`, next: 'meterline diagnose logs' },
    },
  ]
}

function unread({ unread: parts }: State): Finding[] {
  return parts.map(({ part, message }) => ({
    ...{ id: 'unreadable', severity: 'critical', category: 'health', what: `Could not read ${part}.`, cause: message, next: 'meterline logs --level warn' },
  }))
}

function ageDays(nowMs: number, since: string): number {
  return Math.floor((nowMs - Date.parse(since)) / MS_PER_DAY)
}

function gibibytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`
}
