import { LIST_PARTNER_PROJECTS } from '../../contract/partner-projects.ts'
import { GET_PROJECT_USAGE } from '../../contract/usage.ts'
import { askText, canAsk } from '../ask.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { type Connection, connect, requirePartnerId } from '../connection/connect.ts'
import { writeLink } from '../connection/linked-directory.ts'
import { CliError, EXIT, usageError } from '../errors.ts'
import { call, callForList } from '../http-client.ts'
import { printNote, printResult } from '../output.ts'
import type { Session } from '../session.ts'

export const linkCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('link [project]')
      .description('link this directory to a project, so that commands here need not name it')
      .option('--partner <id>', 'the partner; default: that of the credentials')
      .action((project: string | undefined, own: { partner?: string }) => run((session) => link(session, project, own))),
    ['meterline link', 'choose from a list'],
    ['meterline link prj_1', 'without a question'],
  )
}

/** Links the directory to a project that exists. Throws CliError. */
async function link(session: Session, project: string | undefined, own: { partner?: string }): Promise<void> {
  const connection = connect(session, ['partner'], own)
  const partnerId = requirePartnerId(connection)
  const id = project ?? session.environment['METERLINE_PROJECT_ID'] ?? (await choose(session, connection, partnerId))
  const found = await call(connection, GET_PROJECT_USAGE, { params: { partnerId, projectId: id } })
  const written = { url: connection.url, partner_id: partnerId, project_id: id, project_name: found.project.name }
  const path = writeLink(process.cwd(), written)
  printResult(session, written, () => [`This directory is linked to ${found.project.name} (${id}).`])
  printNote(session, `The link is in ${path}; it contains no secret.`)
}

async function choose(session: Session, connection: Connection, partnerId: string): Promise<string> {
  if (!canAsk(session)) throw usageError('No project is named.', 'Name it: meterline link <project>. "meterline list" shows the ids.')
  const projects = [...(await listWith('active', connection, partnerId)), ...(await listWith('paused', connection, partnerId))]
  if (projects.length === 0) throw new CliError('There is no active or paused project.', EXIT.notFound, { next: 'Create one with "meterline create <name>".' })
  for (const [index, { id, name, status }] of projects.entries())
    process.stderr.write(`${String(index + 1).padStart(4)}  ${name}  (${id}${status === 'active' ? '' : `, ${status}`})\n`)
  const answered = await askText(session, `Number of the project [1-${projects.length}]: `)
  const chosen = projects[Number(answered) - 1]
  if (chosen === undefined) throw usageError(`"${answered}" is not a number from 1 to ${projects.length}.`)
  return chosen.id
}

async function listWith(status: 'active' | 'paused', connection: Connection, partnerId: string) {
  return (await callForList(connection, LIST_PARTNER_PROJECTS, { rows: 'projects', params: { partnerId }, query: { status } })).answer.projects
}
