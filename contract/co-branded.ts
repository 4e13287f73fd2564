import { z } from 'zod'
import { ACCOUNT_ID } from './example-values.ts'
import { Connection, Name, PartnerParams, PathId } from './fields.ts'
import { defineOperation } from './operation.ts'
import { CONNECTION_EXAMPLE, ProjectSync, SYNC_EXAMPLE } from './projects.ts'

/** Source of the shapes: partner API documentation, "Co-Branded APIs". */

const EMAIL_CHARACTERS_MAX = 254
/** As zod's own, with the letters of every script (RFC 6531). */
const EMAIL = /^(?!\.)(?!.*\.\.)[\p{L}\p{M}\p{N}_'+.-]*[\p{L}\p{M}\p{N}_+-]@(?:[\p{L}\p{N}][\p{L}\p{M}\p{N}-]*\.)+(?:[\p{L}\p{M}]{2,}|xn--[A-Za-z0-9-]+)$/u

/** In NFC and in lower case, so that an address is one account however it is typed. */
const Email = z
  .string()
  .trim()
  .max(EMAIL_CHARACTERS_MAX)
  .refine(hasUnambiguousCase, 'must be written with ordinary letters')
  .normalize('NFC')
  .refine((text) => EMAIL.test(text), 'must be an email address')
  .toLowerCase()
  .meta({ format: 'email' })

/**
 * Whether no letter shares its lower case with another one. The Kelvin sign, for example, lower-cases to k, which would give one user the
 * account of another.
 */
function hasUnambiguousCase(text: string): boolean {
  return [...text].every((letter) => letter.toLowerCase() === letter || letter.toLowerCase().toUpperCase() === letter)
}

export const CONNECT_USER = defineOperation({
  method: 'POST',
  path: '/partnership/v1/:partnerId/connect-user',
  tag: 'projects',
  summary: 'Create an account for a user, or find the existing one',
  description: 'Idempotent by email, whatever its case; a different name replaces the stored one. Co-branded partnerships only.',
  params: PartnerParams,
  body: z.strictObject({ name: Name, email: Email }),
  answers: { 200: z.object({ account: z.object({ id: z.string() }) }) },
  errors: { 400: true, 401: true, 403: true, 404: 'NOT_FOUND', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: { request: { name: 'Ada Lovelace', email: 'ada@example.com' }, answers: { 200: { account: { id: ACCOUNT_ID } } } },
})

export const SYNC_ACCOUNT_PROJECT = defineOperation({
  method: 'POST',
  path: '/partnership/v1/:partnerId/:userId/sync-project',
  tag: 'projects',
  summary: 'Create a project of a user, or find the existing one',
  description:
    'Idempotent by name until the project is deleted. At the limit of the user’s plan `success` is false, and `candidate_projects` are the active projects that can be used instead. Co-branded partnerships only.',
  params: z.object({ partnerId: PathId, userId: PathId }),
  body: ProjectSync,
  answers: {
    200: z.discriminatedUnion('success', [
      z.object({ success: z.literal(true), project: Connection }),
      z.object({ success: z.literal(false), message: z.string(), candidate_projects: z.array(Connection) }),
    ]),
  },
  errors: { 400: true, 401: true, 403: true, 404: 'ACCOUNT_NOT_FOUND', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: { request: SYNC_EXAMPLE, answers: { 200: { success: true, project: CONNECTION_EXAMPLE } } },
})

export const GET_ACCOUNT_PROJECT_METADATA = defineOperation({
  method: 'GET',
  path: '/partnership/v1/:partnerId/:userId/:projectId/metadata',
  tag: 'projects',
  summary: 'Get the connection details of a user’s project',
  description: 'Co-branded partnerships only.',
  params: z.object({ partnerId: PathId, userId: PathId, projectId: PathId }),
  answers: { 200: z.object({ project: Connection }) },
  errors: { 400: true, 401: true, 403: true, 404: 'PROJECT_NOT_FOUND', 429: true, 500: true, 503: true },
  example: { answers: { 200: { project: CONNECTION_EXAMPLE } } },
})
