import { type CommandRegistration, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { ALL_KINDS } from '../connection/credential.ts'
import { describeIdentity, identityOf, verifyIdentity } from '../connection/identity.ts'
import { findLink } from '../connection/linked-directory.ts'
import { CliError, EXIT } from '../errors.ts'
import { printResult } from '../output.ts'
import type { Session } from '../session.ts'

export const whoamiCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('whoami')
      .description('ask the service who the credentials belong to')
      .option('--partner <id>', 'the partner that a partner secret belongs to')
      .action((own: { partner?: string }) => run((session) => whoami(session, own))),
    ['meterline whoami', 'fails with exit code 2 if they are not valid'],
  )
}

export const currentCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('current')
      .description('show the credentials and the linked project that commands use here, without calling the service')
      .action(() => run(current)),
    ['meterline current', 'what is used, and where it comes from'],
    ['meterline current --json', 'for a script; contains no secret'],
  )
}

async function whoami(session: Session, ids: { partner?: string }): Promise<void> {
  const identity = await verifyIdentity(connect(session, ALL_KINDS, ids))
  printResult(session, identity, () => [`You are ${describeIdentity(identity)} (from ${identity.source}).`])
}

/** Throws CliError without credentials, and for a partner in a directory that is not linked. */
async function current(session: Session): Promise<void> {
  const connection = connect(session, ALL_KINDS)
  const identity = identityOf(connection)
  const linked = findLink(process.cwd())
  const { projectId } = connection
  if (projectId === undefined && identity.kind === 'partner')
    throw new CliError(`You are ${describeIdentity(identity)}; this directory is not linked to a project.`, EXIT.projectNotLinked, {
      next: 'Link it with "meterline link" (an existing project) or "meterline create" (a new one).',
    })
  const project =
    projectId === undefined
      ? null
      : { id: projectId, name: linked?.link.project_id === projectId ? (linked.link.project_name ?? null) : null, directory: linked?.directory ?? null }
  printResult(session, { ...identity, project }, () => [
    `You are ${describeIdentity(identity)} (from ${identity.source}).`,
    project === null
      ? 'No project is linked.'
      : `The project is ${project.name === null ? project.id : `${project.name} (${project.id})`}${project.directory === null ? '' : `, linked in ${project.directory}`}.`,
  ])
}
