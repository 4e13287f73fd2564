import type { FastifyInstance } from 'fastify'
import { PROJECTS_BODY_BYTES_MAX, ProjectOfBatch, REGISTER_PROJECT, REGISTER_PROJECTS } from '../../contract/admin-projects.ts'
import type { ErrorCode } from '../../contract/errors.ts'
import type { AnswerOf, BodyOf } from '../../contract/operation.ts'
import { isProjectId, isReservedProjectId } from '../../metering/event.ts'
import { parseTimestamp } from '../../metering/timestamp.ts'
import {
  type Registered,
  type RegisterOutcome,
  type RegisterRejection,
  type Registration,
  registerProject,
  registerProjects,
} from '../../registry/projects/register-project.ts'
import { registeredProjectAnswer } from '../answers/registered-project.ts'
import { OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { messageOf } from '../requests/request-validator.ts'
import { addRoute } from '../route.ts'

export function registerProjectRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, REGISTER_PROJECT, { access: OPERATOR }, async (request, reply) => {
    const registration = registrationOrError(request.params.projectId, request.body)
    if (registration instanceof ApiError) throw registration
    const registered = registeredOrError(await registerProject(registry, actorOf(request), registration))
    if (registered instanceof ApiError) throw registered
    reply.code(registered.status === 'created' ? 201 : 200)
    return { project: registeredProjectAnswer(registered.project) }
  })
}

export function registerProjectsRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, REGISTER_PROJECTS, { access: OPERATOR, bodyLimit: PROJECTS_BODY_BYTES_MAX }, async (request) => {
    const parsed = request.body.projects.map(parseProjectOfBatch)
    const registrations = parsed.filter((each) => !(each instanceof ApiError))
    const outcomes = (await registerProjects(registry, actorOf(request), registrations)).values()
    const projects = parsed.map((each, index): ProjectResult => {
      const registered = each instanceof ApiError ? each : registeredOrError(requireNext(outcomes))
      if (!(registered instanceof ApiError)) return { index, id: registered.project.id, outcome: registered.status }
      const { code, message } = registered
      return { index, id: idOf(request.body.projects[index]), outcome: 'rejected', code, message }
    })
    return { ...countOutcomes(projects), projects }
  })
}

type ProjectResult = AnswerOf<typeof REGISTER_PROJECTS>['projects'][number]

function countOutcomes(projects: readonly ProjectResult[]): Record<ProjectResult['outcome'], number> {
  const counts = { created: 0, updated: 0, unchanged: 0, rejected: 0 }
  for (const { outcome } of projects) counts[outcome] += 1
  return counts
}

/** An error names the field by its path in the body, like that of a whole body. */
function parseProjectOfBatch(project: unknown, index: number): Registration | ApiError {
  const { success, data, error } = ProjectOfBatch.safeParse(project, { error: messageOf })
  if (success) return registrationOrError(data.id, data)
  const issues = error.issues.map(({ path, message }) => `${['body', 'projects', index, ...path].join('.')}: ${message}`)
  return new ApiError('INVALID_REQUEST', issues.join('; '))
}

function registrationOrError(projectId: string, body: BodyOf<typeof REGISTER_PROJECT>): Registration | ApiError {
  if (!isProjectId(projectId)) return new ApiError('INVALID_REQUEST', 'A project id has 1 to 128 of the characters A-Z a-z 0-9 _ . : -')
  if (isReservedProjectId(projectId)) return new ApiError('INVALID_REQUEST', `"${projectId}" is reserved for paths of the API and cannot be a project id.`)
  const { partner_id, account_id, name, region, instance_type, status, deleted_at } = body
  const deletedMs = deleted_at === undefined ? undefined : parseTimestamp(deleted_at)
  return { projectId, partnerId: partner_id, accountId: account_id, name, region, instanceType: instance_type, status, deletedMs }
}

function registeredOrError(outcome: RegisterOutcome): Registered | ApiError {
  if ('project' in outcome) return outcome
  const { code, message } = REJECTIONS[outcome.status]
  return new ApiError(code, message)
}

const REJECTIONS: Readonly<Record<RegisterRejection, { readonly code: ErrorCode; readonly message?: string }>> = {
  partner_not_found: { code: 'PARTNER_NOT_FOUND' },
  partner_without_accounts: {
    code: 'INVALID_REQUEST',
    message: 'account_id: only co-branded partners have accounts, and this one is white-label. Leave it out.',
  },
  partner_changed: { code: 'PARTNER_CHANGED' },
  account_not_found: { code: 'ACCOUNT_NOT_FOUND' },
  account_changed: { code: 'ACCOUNT_CHANGED' },
  already_deleted: { code: 'ALREADY_DELETED' },
  name_taken: { code: 'NAME_TAKEN' },
}

function requireNext<T>(values: Iterator<T>): T {
  const next = values.next()
  if (next.done === true) throw new Error('A registration of the batch has no outcome.')
  return next.value
}

/** What the caller wrote as id, if it is a text. */
function idOf(project: unknown): string | null {
  return typeof project === 'object' && project !== null && 'id' in project && typeof project.id === 'string' ? project.id : null
}
