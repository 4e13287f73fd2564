import { PROJECT_TOKEN_SECONDS } from '../keys/key-states.ts'
import { findPartner } from '../partners.ts'
import { findProject, type Project } from '../projects/project.ts'
import type { Partner, Registry } from '../registry.ts'
import { signToken, tellToken } from './signed-token.ts'

/**
 * The ten-minute code for a project: partner API documentation, "Generate Project Authorization". Undefined when the partner
 * has no living project of that id. Throws StoreError.
 */
export async function authorizeProject(registry: Registry, { partnerId, projectId }: { partnerId: string; projectId: string }): Promise<string | undefined> {
  const project = await findLiving(registry, partnerId, projectId)
  if (project === undefined) return undefined
  const { token } = await signToken(registry, {
    typ: 'JWT',
    audience: project.accessHost,
    subject: project.id,
    lifetimeSeconds: PROJECT_TOKEN_SECONDS,
    more: { partner: partnerId },
  })
  return token
}

/**
 * The partner whose project's code this is, or undefined, whatever is wrong with it. It must be for the host that the
 * project has now: a code from before its move ends with it. Throws StoreError.
 */
export async function authenticateProjectToken(
  registry: Registry,
  token: string,
  { partnerId, projectId }: { partnerId: string; projectId: string },
): Promise<Partner | undefined> {
  const expected = { typ: 'JWT', audience: undefined, subject: projectId, lifetimeSecondsMax: PROJECT_TOKEN_SECONDS } as const
  const claims = await tellToken(registry, token, expected)
  // Nothing is looked up for whoever was not given a code for it: nobody may tell by asking whether there is such a project.
  if (claims?.['partner'] !== partnerId) return undefined
  const [project, partner] = [await findLiving(registry, partnerId, projectId), await findPartner(registry, partnerId)]
  return project !== undefined && claims.aud === project.accessHost && partner?.disabledMs === null ? partner : undefined
}

async function findLiving(registry: Registry, partnerId: string, projectId: string): Promise<Project | undefined> {
  const project = await findProject(registry, projectId)
  return project === undefined || project.partnerId !== partnerId || project.status === 'deleted' ? undefined : project
}
