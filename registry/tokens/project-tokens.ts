import { PROJECT_TOKEN_SECONDS } from '../../contract/authorization.ts'
import type { RegistryReads } from '../changes.ts'
import { findPartner, type Partner } from '../partners.ts'
import { findLivingProject, type ProjectOfPartner } from '../projects/project.ts'
import { signToken, type TokenIssuer, verifyToken } from './signed-token.ts'

/**
 * Creates the ten-minute authorization code of a project: partner API documentation, "Generate Project Authorization".
 * Undefined when the partner has no such project or has deleted it. Throws StoreError.
 */
export async function authorizeProject(registry: TokenIssuer & RegistryReads, request: ProjectOfPartner): Promise<string | undefined> {
  const project = await findLivingProject(registry, request)
  if (project === undefined) return undefined
  const { token } = await signToken(registry, {
    typ: 'JWT',
    audience: project.accessHost,
    subject: project.id,
    lifetimeSeconds: PROJECT_TOKEN_SECONDS,
    claims: { partner: project.partnerId },
  })
  return token
}

/**
 * The partner, if the code authorizes this project; undefined when it is invalid for any reason. The code must be for the
 * project's current host, so that moving a project invalidates earlier codes. Throws StoreError.
 */
export async function authenticateProjectToken(
  registry: TokenIssuer & RegistryReads,
  token: string,
  { partnerId, projectId }: ProjectOfPartner,
): Promise<Partner | undefined> {
  const expected = { typ: 'JWT', audience: undefined, subject: projectId, lifetimeSecondsMax: PROJECT_TOKEN_SECONDS } as const
  const claims = await verifyToken(registry, token, expected)
  // Without a code for this project nothing is looked up, so that the response time does not reveal whether the project exists.
  if (claims?.['partner'] !== partnerId) return undefined
  const [project, partner] = [await findLivingProject(registry, { partnerId, projectId }), await findPartner(registry, partnerId)]
  return project !== undefined && claims.aud === project.accessHost && partner?.disabledMs === null ? partner : undefined
}
