import type { REGISTER_PROJECT } from '../../contract/admin-projects.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { instantOrNull } from '../../metering/timestamp.ts'
import type { RegisteredProject } from '../../registry/projects/list-projects.ts'

/** A project as operators see it. */
export function registeredProjectAnswer(project: Omit<RegisteredProject, 'accountId' | 'createdMs'>): AnswerOf<typeof REGISTER_PROJECT>['project'] {
  const { id, partnerId, name, status, region, instanceType, deletedMs } = project
  return { id, partner_id: partnerId, name, status, region, instance_type: instanceType, deleted_at: instantOrNull(deletedMs) }
}
