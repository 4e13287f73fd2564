import { z } from 'zod'
import type { DemoClient, DemoPartner } from './demo-client.ts'
import { DEMO_NAMES, type DemoProject, makeProjects } from './world.ts'

export const PARTNER_NAME = 'Northwind Apps'
const REGISTERED_PROJECTS = 20
/** Projects are deleted within last month, whatever today's date is. */
const DELETION_DAYS = 30

export interface DemoSetup {
  readonly partner: DemoPartner
  readonly ingestKey: string
  readonly projects: readonly DemoProject[]
}

/** Creates the partner, the platform's ingest key and the projects: the platform registers one half, the partner creates the other. */
export async function setUp(client: DemoClient): Promise<DemoSetup> {
  const created = Created.parse(await client.admin('POST', '/partners', { name: PARTNER_NAME }))
  const partner: DemoPartner = { partnerId: created.partner.id, secret: created.secret }
  const { key } = Key.parse(await client.admin('POST', '/ingest-keys', { name: 'demo platform' }))
  const ids: string[] = []
  for (const [index, name] of DEMO_NAMES.entries()) {
    if (index < REGISTERED_PROJECTS) {
      await client.admin('PUT', `/projects/${name}`, { partner_id: partner.partnerId, name, region: 'eu-west' })
      ids.push(name)
    } else {
      const { project } = Synced.parse(await client.partner(partner, 'POST', '/sync-embedded-project', { project_name: name }))
      ids.push(project.id)
    }
  }
  return { partner, ingestKey: key, projects: makeProjects(ids, DELETION_DAYS) }
}

const Created = z.object({ partner: z.object({ id: z.string() }), secret: z.string() })
const Key = z.object({ key: z.string() })
const Synced = z.object({ project: z.object({ id: z.string() }) })
