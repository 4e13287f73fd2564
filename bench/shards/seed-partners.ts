import { SERVICE } from '../../registry/audit-log.ts'
import { createPartner } from '../../registry/create-partner.ts'
import { openRegistry } from '../../registry/open-registry.ts'
import { readConfig } from '../../service/config.ts'
import { loadInstanceSecrets } from '../../service/instance-secrets.ts'
import { openStore, prepareStore } from '../../service/open-store.ts'
import { registryOptionsOf } from '../../service/registry-options.ts'
import { row } from '../../sql/tab-separated.ts'
import { TOPIC_PROJECTS } from '../made-events.ts'

export type PartnerSize = 'small' | 'large'

export interface ShardsPartner {
  readonly size: PartnerSize
  readonly partnerId: string
  readonly secret: string
  readonly projects: readonly string[]
}

/** In the same order in every store, each with the same projects. */
export type SeededPartners = readonly ShardsPartner[]

/** Several of each size, so that a month is closed several times. */
const PARTNERS_OF_SIZE = 4
export const PROJECTS_OF: Readonly<Record<PartnerSize, number>> = { small: 50, large: TOPIC_PROJECTS.length / PARTNERS_OF_SIZE - 50 }

/** Prepares an empty store of one or several servers, and gives every project of the topic to a partner. */
export async function seedPartners(environment: Readonly<Record<string, string>>): Promise<SeededPartners> {
  const config = readConfig({ ...environment }, 'migrate')
  const logger = { info: () => {}, warn: (details: unknown, message: string) => console.error(message, details) }
  const clickhouse = await openStore(config, { logger })
  try {
    await prepareStore(config, clickhouse, { logger, to: 'work offline' })
    const registry = await openRegistry(registryOptionsOf(config, clickhouse, loadInstanceSecrets(config, { storeHoldsSealedData: false })))
    const partners: ShardsPartner[] = []
    let first = 0
    for (const size of ['small', 'large'] as const) {
      for (let number = 1; number <= PARTNERS_OF_SIZE; number += 1) {
        const { partner, secret } = await createPartner(registry, SERVICE, { name: `${size} ${number}`, mode: 'white-label' })
        const projects = TOPIC_PROJECTS.slice(first, first + PROJECTS_OF[size])
        first += projects.length
        const text = projects.map((project) => row([project, 1, partner.id, project, 'active', 'us-east', 'nano', '2026-01-01 00:00:00.000'])).join('')
        await clickhouse.control.insert({ table: 'projects_v1', columns: COLUMNS, text })
        partners.push({ size, partnerId: partner.id, secret, projects })
      }
    }
    return partners
  } finally {
    await clickhouse.close()
  }
}

const COLUMNS = ['project_id', 'revision', 'partner_id', 'name', 'status', 'region', 'instance_type', 'created_at']
