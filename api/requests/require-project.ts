import type { Project, ProjectOfPartner } from '../../registry/projects/project.ts'
import type { Registry } from '../../registry/registry.ts'
import { ApiError } from '../errors/errors.ts'

/**
 * The partner's project, and what `read` returns for it. They are read at the same time if this process knows already whose project it is,
 * which never changes. Otherwise the project is looked up first: nothing is read for a partner that does not own it. Throws what
 * `find` and `read` throw.
 */
export async function withProjectOf<T>(registry: Registry, of: ProjectOfPartner, find: FindProject, read: () => Promise<T>): Promise<[Project, T]> {
  if (registry.projectOwners.isKnown(of)) return Promise.all([find(registry, of), read()])
  const project = await find(registry, of)
  registry.projectOwners.note(project)
  return [project, await read()]
}

/** Throws ApiError PROJECT_NOT_FOUND if the partner has no such project. */
type FindProject = (registry: Registry, of: ProjectOfPartner) => Promise<Project>

/** Like requireProjectOf, but a deleted project is not found either. Throws ApiError PROJECT_NOT_FOUND. */
export async function requireLivingProjectOf(registry: Registry, of: ProjectOfPartner): Promise<Project> {
  const project = await requireProjectOf(registry, of)
  if (project.status === 'deleted') throw new ApiError('PROJECT_NOT_FOUND')
  return project
}

/**
 * The partner's project with this id, also if it is deleted. Throws ApiError PROJECT_NOT_FOUND. The error is the same for a
 * project of another partner and for an unknown one, so that no partner learns which projects another one has.
 */
export async function requireProjectOf({ rememberedProjects }: Registry, of: ProjectOfPartner): Promise<Project> {
  const project = await rememberedProjects.find(of)
  if (project === undefined) throw new ApiError('PROJECT_NOT_FOUND')
  return project
}
