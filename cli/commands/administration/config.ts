import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { counted } from '../../../metering/counted.ts'
import { confirm } from '../../ask.ts'
import { type CommandRegistration, withExamples } from '../../command.ts'
import { applyPlan, type Outcome, stepsDone } from '../../configuration-file/apply.ts'
import { documentOfPlan, documentOfStep, lineOfOutcome, lineOfSkipped, linesOfPlan } from '../../configuration-file/describe-plan.ts'
import { type Plan, planChanges, stepsOf } from '../../configuration-file/plan.ts'
import { readConfigurationFile } from '../../configuration-file/read-file.ts'
import { readServiceState } from '../../configuration-file/service-state.ts'
import type { Step } from '../../configuration-file/steps.ts'
import { writeConfigurationFile } from '../../configuration-file/write-file.ts'
import { type Connection, connect } from '../../connection/connect.ts'
import { CliError, usageError } from '../../errors.ts'
import { printNote, printResult } from '../../output.ts'
import { createSecretFile } from '../../secret-file.ts'
import type { Session } from '../../session.ts'

export const configCommand: CommandRegistration = (program, run) => {
  const config = program.command('config').description('partners, projects and ingest keys as one TOML file (docs/configuration-as-a-file.md)')
  withExamples(
    config
      .command('export [file]')
      .description('write what the service has, to stdout or to a file; it contains no secret')
      .action((file: string | undefined) => run((session) => exportConfiguration(session, file))),
    ['meterline config export meterline.toml', 'asks before it replaces a file'],
    ['meterline config export | diff meterline.toml -', 'what was changed since'],
  )
  withExamples(
    config
      .command('plan <file>')
      .description('show what "config apply" would do, and what it cannot do')
      .action((file: string) => run((session) => showPlan(session, file))),
    ['meterline config plan meterline.toml', 'as a difference'],
    ['meterline config plan meterline.toml --json', 'for a script: steps, skipped'],
  )
  withExamples(
    config
      .command('apply <file>')
      .description('do what "config plan" shows and nothing else; it can be repeated, also after it was interrupted')
      .option('--secrets-out <file>', 'a new file, readable by you only, for the secrets of partners and ingest keys that are created')
      .action((file: string, own: ApplyOptions) => run((session) => apply(session, file, own))),
    ['meterline config apply meterline.toml', 'shows the plan and asks'],
    ['meterline config apply meterline.toml --yes --secrets-out secrets.ndjson', 'in a script'],
  )
}

interface ApplyOptions {
  readonly secretsOut?: string
}

/** Throws CliError. */
async function exportConfiguration(session: Session, file: string | undefined): Promise<void> {
  const connection = connect(session, ['admin'])
  const { document, text, leftOut } = writeConfigurationFile(await readServiceState(connection, { withAccounts: false }), connection.url)
  if (file !== undefined) {
    if (existsSync(file)) await confirm(session, `Replace ${file}?`)
    replaceFile(file, text)
  }
  for (const each of leftOut) printNote(session, `Left out: ${each}.`)
  const counts = {
    metrics: document.metrics.length,
    partners: document.partners.length,
    projects: document.partners.reduce((sum, { projects }) => sum + projects.length, 0),
    ingest_keys: document.ingest_keys.length,
  }
  if (file === undefined) return printResult(session, document, () => [text.trimEnd()])
  printResult(session, { file, ...counts }, () => [
    `${file}: ${counts.metrics === 0 ? '' : `${counted(counts.metrics, 'metric')}, `}${counted(counts.partners, 'partner')}, ${counted(counts.projects, 'project')}, ${counted(counts.ingest_keys, 'ingest key')}`,
  ])
}

/** As a whole: an interrupted export leaves the old file or the new one. Throws CliError. */
function replaceFile(file: string, text: string): void {
  const temporary = `${file}.${process.pid}`
  try {
    writeFileSync(temporary, text)
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw usageError(`The file ${file} cannot be written (${code}).`, 'Check its folder and the permissions.')
  }
}

/** Throws CliError. */
async function showPlan(session: Session, file: string): Promise<void> {
  const plan = await makePlan(connect(session, ['admin']), file)
  printResult(session, { file, ...documentOfPlan(plan) }, () => linesOfPlan(plan))
}

/** The file is read first, so that nothing is requested for one that is not valid. */
async function makePlan(connection: Connection, file: string): Promise<Plan> {
  const wanted = readConfigurationFile(file)
  const withAccounts = wanted.partners.some(({ projects }) => projects.some(({ account_id }) => account_id !== undefined))
  return planChanges(wanted, await readServiceState(connection, { withAccounts }), Date.now())
}

const MAKES_SECRET: readonly Step['kind'][] = ['partner', 'ingest_key']

/** Throws CliError, also when the service rejected a metric, a project or an entry was skipped: then the service is not as the file says. */
async function apply(session: Session, file: string, { secretsOut }: ApplyOptions): Promise<void> {
  const connection = connect(session, ['admin'])
  const plan = await makePlan(connection, file)
  const steps = stepsOf(plan)
  const secretsMade = steps.filter(({ action, kind }) => action === 'create' && MAKES_SECRET.includes(kind)).length
  if (secretsMade > 0 && secretsOut === undefined)
    throw usageError(
      `The plan creates ${counted(secretsMade, 'secret')}, shown only once.`,
      'Add --secrets-out <file>: a new file for them, readable by you only.',
    )
  const secrets = secretsMade === 0 || secretsOut === undefined ? undefined : createSecretFile(secretsOut, '--secrets-out')
  try {
    if (steps.length > 0 && session.yes !== true) {
      for (const line of linesOfPlan(plan)) printNote(session, line)
      await confirm(session, `Do ${steps.length === 1 ? 'this step' : `these ${counted(steps.length, 'step')}`} at ${connection.url}?`)
    }
    const outcomes: Outcome[] = []
    await applyPlan(plan, { endpoint: connection, secrets, outcomes }).catch((error: unknown) => {
      for (const outcome of outcomes) printNote(session, lineOfOutcome(outcome))
      throw error
    })
    const rejected = outcomes.filter(({ error }) => error !== null).map(({ step }) => step.kind)
    const document = {
      file,
      steps: outcomes.map(({ step, id, error }) => ({ ...documentOfStep(step), id, error })),
      ...{ skipped: plan.skipped, unchanged: plan.unchanged, secrets_file: secrets?.path ?? null },
    }
    printResult(session, document, () => [
      ...outcomes.map(lineOfOutcome),
      ...plan.skipped.map(lineOfSkipped),
      ...(secrets === undefined ? [] : [`The secrets are in ${secrets.path}, one on each line; the service does not show them again.`]),
      steps.length === 0
        ? plan.skipped.length === 0
          ? 'There is nothing to do.'
          : 'Nothing was done.'
        : stepsDone(outcomes.length - rejected.length, steps.length),
    ])
    requireAllDone(rejected, plan.skipped.length)
  } finally {
    secrets?.close()
  }
}

/** Throws CliError, so that a script notices. */
function requireAllDone(rejected: readonly Step['kind'][], skipped: number): void {
  if (rejected.length + skipped === 0) return
  const ofRejected = (['metric', 'project'] as const).flatMap((kind) => {
    const count = rejected.filter((each) => each === kind).length
    return count === 0 ? [] : [`${counted(count, kind)} ${count === 1 ? 'was' : 'were'} rejected.`]
  })
  const ofEntries = skipped === 0 ? [] : [`${counted(skipped, 'entry', 'entries')} of the file ${skipped === 1 ? 'was' : 'were'} skipped.`]
  throw new CliError([...ofRejected, ...ofEntries].join(' '), undefined, {
    code: rejected.includes('project') ? 'PROJECTS_REJECTED' : rejected.length > 0 ? 'METRICS_REJECTED' : 'ENTRIES_SKIPPED',
    next: 'Correct the file, then apply it again.',
  })
}
