import type { z } from 'zod'
import type { Connection } from '../../contract/fields.ts'
import type { Project } from '../../registry/projects/project.ts'

export function connectionOf({ id, accessHost, status }: Project, apiKey: string): z.output<typeof Connection> {
  return { id, access_host: accessHost, api_key: apiKey, status }
}
