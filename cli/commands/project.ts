import { setTimeout as sleep } from 'node:timers/promises'
import { GET_ACCOUNT_PROJECT_METADATA } from '../../contract/co-branded.ts'
import { PROJECT_STATUSES, type ProjectStatus } from '../../contract/lists.ts'
import { DELETE_PROJECT, GET_PROJECT_METADATA, PAUSE_PROJECT, RESTORE_PROJECT } from '../../contract/projects.ts'
import { GET_PROJECT_USAGE } from '../../contract/usage.ts'
import { counted } from '../../metering/counted.ts'
import { confirm } from '../ask.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { type Connection, connect, requirePartnerId, requireProjectId } from '../connection/connect.ts'
import { CliError, EXIT, usageError } from '../errors.ts'
import { call, callForText } from '../http-client.ts'
import { notOneOf } from '../not-one-of.ts'
import { printAnswer, printNote, printResult } from '../output.ts'
import type { Session } from '../session.ts'

interface ProjectOptions {
  readonly partner?: string
  readonly account?: string
  readonly wait?: boolean
  readonly status?: string
  /** Seconds. */
  readonly timeout?: string
}

const PARTNER_OPTION = ['--partner <id>', 'the partner; default: that of the credentials'] as const

export const metadataCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('metadata [project]')
      .description('show how a project is reached, and its status; with --json also its api_key')
      .option('--account <id>', 'co-branded: the account of the user whose project it is')
      .option(...PARTNER_OPTION)
      .action((project: string | undefined, own: ProjectOptions) => run((session) => metadata(session, project, own))),
    ['meterline metadata', 'the linked project'],
    ['meterline metadata prj_1 --json', 'with its api_key, for a script'],
  )
}

export const pauseCommand = changes('pause', 'pause a project; it keeps its data', PAUSE_PROJECT, 'paused')
export const restoreCommand = changes('restore', 'restore a paused project', RESTORE_PROJECT, 'active')
export const deleteCommand = changes('delete', 'delete a project; its usage stays billed', DELETE_PROJECT, 'deleted')

export const waitCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('wait [project]')
      .description('wait until a project has a status, whatever single calls answer meanwhile')
      .option('--status <status>', PROJECT_STATUSES.join(', '), 'active')
      .option('--timeout <seconds>', 'give up after this time', '300')
      .option(...PARTNER_OPTION)
      .action((project: string | undefined, own: ProjectOptions) => run((session) => waitFor(session, project, own))),
    ['meterline wait prj_1', 'until it is active'],
    ['meterline wait --status paused --timeout 60', 'the linked project, at most a minute'],
  )
}

/** A command that changes the status of a project. */
function changes(
  verb: string,
  description: string,
  operation: typeof PAUSE_PROJECT | typeof RESTORE_PROJECT | typeof DELETE_PROJECT,
  status: ProjectStatus,
): CommandRegistration {
  return (program, run) => {
    withExamples(
      program
        .command(`${verb} [project]`)
        .description(`${description} (white-label)`)
        .option('--wait', 'wait until the platform has confirmed it')
        .option(...PARTNER_OPTION)
        .action((project: string | undefined, own: ProjectOptions) =>
          run(async (session) => {
            const { connection, params } = connectTo(session, project, own, ['partner'])
            if (status === 'deleted') await confirmDeletion(session, connection, params)
            const body = own.wait === true ? { wait_for_completion: true } : undefined
            const { text } = await callForText(connection, operation, { params, body })
            printAnswer(session, text, () => [`${params.projectId} is ${status}.`])
          }),
        ),
      [`meterline ${verb}`, 'the linked project'],
      [`meterline ${verb} prj_1 --wait${status === 'deleted' ? ' --yes' : ''}`, 'until the platform has confirmed it'],
    )
  }
}

async function confirmDeletion(session: Session, connection: Connection, params: ProjectParams): Promise<void> {
  if (session.yes === true) return
  const { project } = await call(connection, GET_PROJECT_USAGE, { params })
  await confirm(session, `Delete ${project.name} (${params.projectId}) permanently?`)
}

async function metadata(session: Session, project: string | undefined, own: ProjectOptions): Promise<void> {
  const { connection, params } = connectTo(session, project, own, ['partner', 'project'])
  const { answer, text } =
    own.account === undefined
      ? await callForText(connection, GET_PROJECT_METADATA, { params }).catch(hintAtAccount)
      : await callForText(connection, GET_ACCOUNT_PROJECT_METADATA, { params: { ...params, userId: own.account } })
  printAnswer(session, text, () =>
    Object.entries(answer.project).flatMap(([name, value]) => (name === 'api_key' ? [] : [`${name.padEnd(17)} ${value ?? 'none'}`])),
  )
  printNote(session, 'Its api_key is not shown; --json prints it.')
}

function hintAtAccount(error: unknown): never {
  if (!(error instanceof CliError) || error.code !== 'MODE_NOT_ALLOWED') throw error
  throw new CliError(error.message, error.exitCode, { ...error, next: 'Of a co-branded project, name the account: --account <id>.' })
}

const POLL_MS = 1_000
/** A call that hangs must not outlive the time-out by more. */
const POLL_MS_MAX = 10_000

/** Polls through answers that can be repeated and single failures. Throws CliError when the time is up. */
async function waitFor(session: Session, project: string | undefined, own: ProjectOptions): Promise<void> {
  const wanted = PROJECT_STATUSES.find((each) => each === own.status)
  if (wanted === undefined) throw notOneOf('--status', own.status ?? '', PROJECT_STATUSES)
  if (!/^\d{1,6}$/.test(own.timeout ?? '')) throw usageError(`--timeout "${own.timeout}" is not a number of seconds.`)
  const { connection, params } = connectTo(session, project, own, ['partner', 'project'])
  const untilMs = performance.now() + Number(own.timeout) * 1_000
  let seen = 'no answer yet'
  for (;;) {
    const status = await statusOf({ ...connection, signal: AbortSignal.timeout(POLL_MS_MAX) }, params).catch((error: unknown) => {
      if (error instanceof CliError && !error.retryable) throw error
      seen = error instanceof Error ? error.message : String(error)
    })
    if (status === wanted) return printResult(session, { id: params.projectId, status }, () => [`${params.projectId} is ${status}.`])
    if (status !== undefined) seen = `its status is ${status}`
    if (status === 'deleted') throw new CliError(`${params.projectId} is deleted, and that is final.`)
    if (performance.now() + POLL_MS > untilMs)
      throw new CliError(`${params.projectId} is not ${wanted} after ${counted(Number(own.timeout), 'second')}: ${seen}.`, EXIT.error, {
        code: 'TIMED_OUT',
        retryable: true,
      })
    await sleep(POLL_MS)
  }
}

/** The usage answer has the status of every project, in both modes and also of deleted ones. */
async function statusOf(connection: Connection, params: ProjectParams): Promise<ProjectStatus> {
  return (await call(connection, GET_PROJECT_USAGE, { params })).project.status
}

interface ProjectParams {
  readonly partnerId: string
  readonly projectId: string
}

function connectTo(session: Session, project: string | undefined, { partner }: ProjectOptions, accepts: readonly ('partner' | 'project')[]) {
  const connection = connect(session, accepts, { partner, project })
  return { connection, params: { partnerId: requirePartnerId(connection), projectId: requireProjectId(connection) } }
}
