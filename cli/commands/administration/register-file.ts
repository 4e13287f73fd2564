import { PROJECTS_PER_BATCH_MAX, REGISTER_PROJECTS } from '../../../contract/admin-projects.ts'
import type { Endpoint } from '../../../contract/client.ts'
import type { AnswerOf } from '../../../contract/operation.ts'
import { counted } from '../../../metering/counted.ts'
import { grouped } from '../../../metering/grouped.ts'
import { confirm } from '../../ask.ts'
import { connect } from '../../connection/connect.ts'
import { CliError } from '../../errors.ts'
import { call } from '../../http-client.ts'
import { printResult } from '../../output.ts'
import type { Session } from '../../session.ts'
import { type FileEntry, readEntries } from './read-entries.ts'

type Answer = AnswerOf<typeof REGISTER_PROJECTS>

/**
 * Registers the projects of a file, a batch at a time. The document is that of one batch, in which `index` counts through the whole file
 * and `line` is the line of the file; null in a JSON array. Throws CliError, also when a project was rejected.
 */
export async function registerFile(session: Session, file: string): Promise<void> {
  const endpoint = connect(session, ['admin'])
  const entries = await readEntries(file, '--file')
  const deleted = entries.filter(({ value }) => typeof value === 'object' && value !== null && 'status' in value && value.status === 'deleted').length
  if (deleted > 0)
    await confirm(
      session,
      `${grouped(deleted)} of ${counted(entries.length, 'project')} ${deleted === 1 ? 'is' : 'are'} to be deleted, which is final. Register ${entries.length === 1 ? 'it' : 'them'}?`,
    )
  const answer = await registerEntries(endpoint, entries)
  const projects = answer.projects.map((each) => ({ ...each, line: entries[each.index]?.line ?? null }))
  printResult(session, { ...answer, projects }, () => [
    `${answer.created} created, ${answer.updated} changed, ${answer.unchanged} unchanged, ${answer.rejected} rejected`,
    ...projects.flatMap((each) => (each.outcome === 'rejected' ? [`${placeOf(each)}: ${each.id ?? 'without an id'}: ${each.message} (${each.code})`] : [])),
  ])
  if (answer.rejected > 0)
    throw new CliError(`${grouped(answer.rejected)} of ${counted(entries.length, 'project')} ${answer.rejected === 1 ? 'was' : 'were'} rejected.`, undefined, {
      code: 'PROJECTS_REJECTED',
      next: 'Correct their lines, then register the file again: the others are unchanged by that.',
    })
}

/** In batches; `index` counts through all entries. Throws CliError, which says how far it came. */
async function registerEntries(endpoint: Endpoint, entries: readonly FileEntry[]): Promise<Answer> {
  const whole = { created: 0, updated: 0, unchanged: 0, rejected: 0, projects: [] as Answer['projects'] }
  for (let first = 0; first < entries.length; first += PROJECTS_PER_BATCH_MAX) {
    const projects = entries.slice(first, first + PROJECTS_PER_BATCH_MAX).map(({ value }) => value)
    const answer = await call(endpoint, REGISTER_PROJECTS, { body: { projects } }).catch((error: unknown) => {
      throw first > 0 && error instanceof CliError ? stoppedAt(error, first, entries.length) : error
    })
    for (const outcome of ['created', 'updated', 'unchanged', 'rejected'] as const) whole[outcome] += answer[outcome]
    whole.projects.push(...answer.projects.map((each) => ({ ...each, index: first + each.index })))
  }
  return whole
}

function stoppedAt(error: CliError, done: number, all: number): CliError {
  return new CliError(`${error.message} ${grouped(done)} of ${counted(all, 'project')} ${done === 1 ? 'was' : 'were'} sent before.`, error.exitCode, {
    ...error,
    next: error.next ?? 'Register the same file again: what was registered is unchanged by that.',
  })
}

function placeOf({ line, index }: { readonly line: number | null; readonly index: number }): string {
  return line === null ? `entry ${index + 1}` : `line ${line}`
}
