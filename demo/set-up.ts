import { REGISTER_PROJECT } from '../contract/admin-projects.ts'
import { CREATE_INGEST_KEY } from '../contract/ingest-keys.ts'
import { CREATE_PARTNER, UPDATE_PARTNER } from '../contract/partners.ts'
import { SYNC_EMBEDDED_PROJECT } from '../contract/projects.ts'
import type { Month } from '../metering/month.ts'
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

/** Creates the partner, billed from `firstMonth` on, the platform's ingest key and the projects: the platform registers one half, the partner creates the other. */
export async function setUp(client: DemoClient, firstMonth: Month): Promise<DemoSetup> {
  const created = await client.asOperator(CREATE_PARTNER, { body: { name: PARTNER_NAME } })
  const partner: DemoPartner = { partnerId: created.partner.id, secret: created.secret }
  await client.asOperator(UPDATE_PARTNER, { params: { partnerId: partner.partnerId }, body: { billing_from: firstMonth } })
  const { key } = await client.asOperator(CREATE_INGEST_KEY, { body: { name: 'demo platform' } })
  const ids: string[] = []
  for (const [index, name] of DEMO_NAMES.entries()) {
    if (index < REGISTERED_PROJECTS) {
      await client.asOperator(REGISTER_PROJECT, { params: { projectId: name }, body: { partner_id: partner.partnerId, name, region: 'eu-west' } })
      ids.push(name)
    } else {
      const { project } = await client.asPartner(partner, SYNC_EMBEDDED_PROJECT, { params: { partnerId: partner.partnerId }, body: { project_name: name } })
      ids.push(project.id)
    }
  }
  return { partner, ingestKey: key, projects: makeProjects(ids, DELETION_DAYS) }
}
