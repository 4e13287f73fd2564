import { randomBytes } from 'node:crypto'
import { parseCallableUrl, parseNetworks } from '../../../outgoing/public-address.ts'
import { parseSigningKeys } from '../../../outgoing/send-webhook.ts'
import { listAuditEntries, SERVICE } from '../../../registry/audit-log.ts'
import type { pauseProject } from '../../../registry/projects/lifecycle.ts'
import { findProject, type Project } from '../../../registry/projects/project.ts'
import { syncEmbeddedProject } from '../../../registry/projects/sync-project.ts'
import { Provisioner, type ProvisionerLimits } from '../../../registry/provisioner/provisioner.ts'
import type { Registry } from '../../../registry/registry.ts'
import { type Platform, startPlatform } from '../clients/platform.ts'
import { openTestStore, type TestStore } from '../engines/embedded-store.ts'
import { untilSo } from '../until-so.ts'
import { openTestRegistry } from './test-registry.ts'

export const WEBHOOK_SECRET = `whsec_${randomBytes(32).toString('base64')}`
export const TOKEN_IN_URL = 'token-that-is-in-the-url'
export const PROVISIONED_PARTNER = 'ps_provisioned'

const QUICK: Partial<ProvisionerLimits> = { retryMsFirst: 5, retryMsMax: 40, sweepEveryMs: 20, webhook: { timeoutMs: 5_000, responseBytesMax: 1_000 } }

type ProjectChange = typeof pauseProject

/** A registry with a provisioner, and a platform for each test. */
export class ProvisionedWorld {
  readonly registry: Registry
  /** What the provisioners logged. */
  readonly logged: object[] = []
  readonly #store: TestStore
  readonly #closers: (() => Promise<unknown>)[] = []
  #platform: Platform | undefined
  #projects = 0

  private constructor(registry: Registry, store: TestStore) {
    this.registry = registry
    this.#store = store
  }

  static async open(): Promise<ProvisionedWorld> {
    const store = await openTestStore()
    return new ProvisionedWorld({ ...(await openTestRegistry(store.clickhouse)), provisions: true }, store)
  }

  get platform(): Platform {
    if (this.#platform === undefined) throw new Error('No platform was started.')
    return this.#platform
  }

  /** Stops everything that the test has started. */
  async endTest(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close()
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  /** Starts a new platform, and a provisioner that delivers to it. */
  async start(limits: Partial<ProvisionerLimits> = {}, allowed?: string): Promise<Provisioner> {
    this.#platform = await startPlatform()
    this.#closers.push(this.#platform.stop)
    return this.startProvisioner(limits, allowed)
  }

  startProvisioner(limits: Partial<ProvisionerLimits> = {}, allowed = '127.0.0.0/8'): Provisioner {
    const url = parseCallableUrl(`${this.platform.url}?token=${TOKEN_IN_URL}`)
    const keys = parseSigningKeys(WEBHOOK_SECRET)
    const networks = parseNetworks(allowed)
    if (url === undefined || keys === undefined || networks === undefined) throw new Error('The webhook target is invalid.')
    const log = (details: object) => this.logged.push(details)
    const logger = { info: log, warn: log, error: log }
    const provisioner = new Provisioner({ registry: this.registry, target: { url, keys, allowed: networks }, logger, limits: { ...QUICK, ...limits } })
    this.#closers.push(() => provisioner.stop())
    return provisioner
  }

  newProject(): Promise<Project> {
    this.#projects += 1
    return syncEmbeddedProject(this.registry, SERVICE, { partnerId: PROVISIONED_PARTNER, name: `project ${this.#projects}` })
  }

  /** A new project that the platform has already acknowledged. */
  async acknowledgedProject(provisioner: Provisioner): Promise<Project> {
    const project = await this.newProject()
    provisioner.handOver(project)
    await this.untilProvisioned(project)
    return project
  }

  /** Changes the project without handing it over, as a process that crashes in between. */
  async requestOnly(change: ProjectChange, project: Project): Promise<Project> {
    const changed = await change(this.registry, SERVICE, projectOfPartnerIds(project))
    if (changed === undefined) throw new Error('The project does not exist.')
    return changed
  }

  async request(provisioner: Provisioner, change: ProjectChange, project: Project): Promise<Project> {
    const changed = await this.requestOnly(change, project)
    provisioner.handOver(changed)
    return changed
  }

  async current({ id }: Project): Promise<Project> {
    const project = await findProject(this.registry, id)
    if (project === undefined) throw new Error('The project does not exist.')
    return project
  }

  untilProvisioned(project: Project): Promise<void> {
    return untilSo(async () => (await this.current(project)).provisionedRevision >= project.wantedRevision)
  }

  async auditedActions({ id }: Project): Promise<string[]> {
    return (await this.#audited(id, '')).map(({ action }) => action)
  }

  async provisionedStatuses({ id }: Project): Promise<string[]> {
    return (await this.#audited(id, 'project.provisioned')).map(({ details }) => JSON.parse(details).status)
  }

  #audited(subject: string, action: string) {
    return listAuditEntries(this.#store.clickhouse, { newestFirst: false, action, subject, limit: 1_000 })
  }
}

export function projectOfPartnerIds({ id }: Project) {
  return { partnerId: PROVISIONED_PARTNER, projectId: id }
}
