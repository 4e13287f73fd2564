import { deliverTexts } from '../../emitter/deliver.ts'
import { postOverHttp } from '../../emitter/post-over-http.ts'
import { uuidV7 } from '../../emitter/uuid-v7.ts'
import { type FieldNames, findRejection } from '../../metering/event-steps.ts'
import { METRIC_NAMES, METRICS_OF_CLIENTS } from '../../metering/metrics.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect, requireProjectId } from '../connection/connect.ts'
import { deliveryError } from '../delivery-error.ts'
import { CliError, EXIT, usageError } from '../errors.ts'
import { printNote, printResult } from '../output.ts'
import { retryNote } from '../retry-note.ts'
import type { Session } from '../session.ts'

const collect = (value: string, before: readonly string[] = []) => [...before, value]

export const emitCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('emit')
      .description('send one usage event')
      .option('--project <id>', 'default: METERLINE_PROJECT_ID, or the project that this directory is linked to')
      .requiredOption('--metric <metric>', `${METRIC_NAMES.join(', ')}, or one of "meterline metrics list"`)
      .option('--value <decimal>', 'at most 29 integer and 9 fraction digits; all of them count; left out for a metric that counts events')
      .option('--at <timestamp>', 'RFC 3339 with a zone; default: now')
      .option('--id <event_id>', 'unique within the project: a repeated id counts once; default: a new UUIDv7')
      .option('--label <key=value>', 'a label that the metric declares; can be repeated', collect)
      .action((own: EmitOptions) => run((session) => emit(session, own))),
    ['meterline emit --project prj_1 --metric ai_tokens --value 1500', 'one event, now'],
    ['meterline emit --metric ai_credits --value 0.3 --at 2026-01-31T12:00:00Z --id req-7f3a', 'safe to repeat'],
  )
}

interface EmitOptions {
  readonly project?: string
  readonly metric: string
  readonly value?: string
  readonly at?: string
  readonly id?: string
  readonly label?: readonly string[]
}

/** Throws CliError. */
function readLabel(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw usageError(`--label "${text}" is not a key and a value, such as model=large.`)
  return [text.slice(0, at), text.slice(at + 1)]
}

const FLAGS: FieldNames = { eventId: '--id', projectId: '--project', metric: '--metric', value: '--value', timestamp: '--at' }
/** Retries end after this time: someone waits. */
const GIVE_UP_AFTER_MS = 30_000

/** Sends one event, again with the same id if there is no answer. Throws CliError if it was not counted. */
async function emit(session: Session, { project, metric, value, at, id, label }: EmitOptions): Promise<void> {
  const connection = connect(session, ['emitter'], { project })
  const nowMs = Date.now()
  const event = {
    event_id: id ?? uuidV7(nowMs),
    project_id: requireProjectId(connection),
    metric,
    value,
    timestamp: at ?? new Date(nowMs).toISOString(),
    ...(label === undefined ? {} : { labels: Object.fromEntries(label.map(readLabel)) }),
  }
  const mistake = findRejection(event, FLAGS, { receivedMs: nowMs, metrics: METRICS_OF_CLIENTS })
  if (mistake !== undefined) throw usageError(mistake.message)
  const post = postOverHttp({ url: connection.url, key: connection.credential.secret })
  const { outcomes, accepted, duplicates, failure } = await deliverTexts([JSON.stringify(event)], post, {
    giveUpAfterMs: GIVE_UP_AFTER_MS,
    onRetry: (problem) => printNote(session, retryNote(problem, GIVE_UP_AFTER_MS)),
  })
  if (failure !== undefined) throw deliveryError(failure, `The event may have been counted. Repeat the call with --id ${event.event_id}: then it counts once.`)
  const outcome = outcomes[0]
  if (outcome?.status === 'rejected')
    throw new CliError(`The event was rejected (${outcome.reason}): ${outcome.message}`, EXIT.error, { code: 'EVENT_REJECTED' })
  const isDuplicate = duplicates !== undefined && duplicates > 0
  printResult(session, { event_id: event.event_id, outcome: isDuplicate ? 'duplicate' : 'accepted', accepted, duplicates: duplicates ?? null }, () => [
    isDuplicate ? `${event.event_id} is a duplicate: it had been counted before, and is not counted again.` : `${event.event_id} accepted`,
  ])
}
