import { findProject, type Project, type ProjectOfPartner } from '../../registry/projects/project.ts'
import type { Registry } from '../../registry/registry.ts'
import { ApiError } from '../errors/errors.ts'

/**
 * The partner's project with this id, also if it is deleted. Throws ApiError PROJECT_NOT_FOUND. The error is the same for a
 * project of another partner and for an unknown one, so that no partner learns which projects another one has.
 */
export async function requireProjectOf(registry: Registry, { partnerId, projectId }: ProjectOfPartner): Promise<Project> {
  const project = await findProject(registry, projectId)
  if (project === undefined || project.partnerId !== partnerId) throw new ApiError('PROJECT_NOT_FOUND')
  return project
}
