import type { RegistryReads } from '../changes.ts'
import { PROJECT_TOKEN_SECONDS } from '../keys/key-states.ts'
import { findPartner, type Partner } from '../partners.ts'
import { findLivingProject, type ProjectOfPartner } from '../projects/project.ts'
import { signToken, type TokenIssuer, verifyToken } from './signed-token.ts'

/**
 * The ten-minute code for a project: partner API documentation, "Generate Project Authorization". Undefined when the partner
 * has no living project of that id. Throws StoreError.
 */
export async function authorizeProject(registry: TokenIssuer & RegistryReads, asked: ProjectOfPartner): Promise<string | undefined> {
  const project = await findLivingProject(registry, asked)
  if (project === undefined) return undefined
  const { token } = await signToken(registry, {
    typ: 'JWT',
    audience: project.accessHost,
    subject: project.id,
    lifetimeSeconds: PROJECT_TOKEN_SECONDS,
    more: { partner: project.partnerId },
  })
  return token
}

/**
 * The partner whose project's code this is, or undefined, whatever is wrong with it. It must be for the host that the
 * project has now: a code from before its move ends with it. Throws StoreError.
 */
export async function authenticateProjectToken(
  registry: TokenIssuer & RegistryReads,
  token: string,
  { partnerId, projectId }: ProjectOfPartner,
): Promise<Partner | undefined> {
  const expected = { typ: 'JWT', audience: undefined, subject: projectId, lifetimeSecondsMax: PROJECT_TOKEN_SECONDS } as const
  const claims = await verifyToken(registry, token, expected)
  // Nothing is looked up for whoever was not given a code for it: nobody may tell by asking whether there is such a project.
  if (claims?.['partner'] !== partnerId) return undefined
  const [project, partner] = [await findLivingProject(registry, { partnerId, projectId }), await findPartner(registry, partnerId)]
  return project !== undefined && claims.aud === project.accessHost && partner?.disabledMs === null ? partner : undefined
}
