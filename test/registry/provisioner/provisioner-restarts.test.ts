import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { retryMs } from '../../../outgoing/back-off.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import { writePartner } from '../../../registry/change-partners.ts'
import { deleteProject, pauseProject, restoreProject } from '../../../registry/projects/lifecycle.ts'
import type { Project } from '../../../registry/projects/project.ts'
import { registerProject } from '../../../registry/projects/register-project.ts'
import { untilSo } from '../../support/until-so.ts'
import { PROVISIONED_PARTNER, ProvisionedWorld, projectOfPartnerIds, TOKEN_IN_URL } from '../../support/worlds/provisioned-world.ts'

let world: ProvisionedWorld
beforeAll(async () => {
  world = await ProvisionedWorld.open()
})
afterAll(() => world.close())
afterEach(() => world.endTest())

describe('pending deliveries survive restarts', () => {
  test('a delivery that was pending at a stop is delivered by the next start, under the same id', async () => {
    const first = await world.start()
    const project = await world.acknowledgedProject(first)
    world.platform.set('fails')
    const requested = await world.request(first, pauseProject, project)
    await untilSo(async () => world.platform.of(project.id).length > 2)
    await first.stop()
    const before = world.platform.of(project.id)
    world.platform.set('acknowledges')
    world.startProvisioner()
    await world.untilProvisioned(requested)
    expect((await world.current(project)).status).toBe('paused')
    expect(world.platform.of(project.id).at(-1)?.headers['webhook-id']).toBe(before.at(-1)?.headers['webhook-id'])
  })

  test('a delivery that another process does not complete is taken over, but only after the take-over time', async () => {
    const patient = await world.start({ takeOverAfterMs: 60_000 })
    const project = await world.acknowledgedProject(patient)
    await untilSo(async () => patient.stats().pending === 0)
    const requested = await world.requestOnly(pauseProject, project)
    await untilSo(async () => patient.stats().pending === 1)
    await untilSo(async () => (await world.current(project)).revision === requested.revision)
    expect(world.platform.of(project.id)).toHaveLength(1)
    await patient.stop()
    const takingOver = world.startProvisioner({ takeOverAfterMs: 30 })
    await world.untilProvisioned(requested)
    const next = await world.requestOnly(restoreProject, project)
    await world.untilProvisioned(next)
    expect(takingOver.stats().delivered).toBe(2)
  })

  test('a registration without a status leaves a pause pending; one with a status is what the platform has', async () => {
    const provisioner = await world.start({ takeOverAfterMs: 60_000 })
    const project = await world.acknowledgedProject(provisioner)
    await world.requestOnly(pauseProject, project)
    const partner = { id: PROVISIONED_PARTNER, name: 'Provisioned', mode: 'white-label', disabledMs: null, revision: 1, createdMs: 0 } as const
    await world.registry.changes.run(SERVICE, (change) => writePartner(change, partner))
    const registration = { projectId: project.id, partnerId: partner.id, name: `${project.name} renamed` }
    await registerProject(world.registry, SERVICE, registration)
    const renamed = await world.current(project)
    expect([renamed.status, renamed.wantedStatus, renamed.provisionedRevision < renamed.wantedRevision]).toEqual(['active', 'paused', true])
    await registerProject(world.registry, SERVICE, { ...registration, status: 'paused' })
    const registered = await world.current(project)
    expect([registered.status, registered.wantedStatus, registered.provisionedRevision]).toEqual(['paused', 'paused', registered.wantedRevision])
  })

  test('a pause that was pending when the provisioner was removed takes effect when it is requested again', async () => {
    const provisioner = await world.start({ takeOverAfterMs: 60_000 })
    const project = await world.acknowledgedProject(provisioner)
    await world.requestOnly(pauseProject, project)
    const withoutProvisioner = { ...world.registry, provisions: false }
    const paused = await pauseProject(withoutProvisioner, SERVICE, projectOfPartnerIds(project))
    expect([paused?.status, paused?.provisionedRevision]).toEqual(['paused', paused?.wantedRevision])
  })
})

describe('limits of deliveries', () => {
  test('no more deliveries than the limit are in progress', async () => {
    const provisioner = await world.start({ concurrentDeliveriesMax: 3 })
    world.platform.set('holds')
    const created: Project[] = []
    for (let nth = 0; nth < 8; nth += 1) created.push(await world.newProject())
    for (const project of created) provisioner.handOver(project)
    await untilSo(async () => {
      if (world.platform.heldCount() === 3) world.platform.release()
      if (provisioner.stats().delivered > 5) world.platform.set('acknowledges')
      if (provisioner.stats().delivered > 5) world.platform.release()
      return provisioner.stats().delivered === created.length
    })
    expect(world.platform.heldCountMax()).toBe(3)
  })

  test('a forbidden address is not called, and the log does not contain the URL', async () => {
    world.logged.length = 0
    const provisioner = await world.start({}, '192.0.2.0/24')
    const project = await world.newProject()
    provisioner.handOver(project)
    await untilSo(async () => provisioner.stats().failed > 1)
    expect(world.logged[0]).toMatchObject({ projectId: project.id, status: 'refused', reason: 'private_address', address: '127.0.0.1' })
    expect(JSON.stringify(world.logged)).not.toMatch(new RegExp(`${TOKEN_IN_URL}|hook|whsec|mlk_`))
    expect(world.platform.messages()).toEqual([])
    await deleteProject(world.registry, SERVICE, projectOfPartnerIds(project))
  })

  test('retry pauses double up to a limit, are random, and last as long as the receiver asks up to the same limit', () => {
    const backOff = { retryMsFirst: 1_000, retryMsMax: 300_000 }
    const longest = Array.from({ length: 12 }, (_, index) => retryMs(backOff, index + 1, { random: 1 }))
    expect(longest).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300].map((seconds) => seconds * 1_000))
    expect(retryMs(backOff, 1, { random: 0 })).toBe(500)
    expect(retryMs(backOff, 5_000)).toBeLessThanOrEqual(300_000)
    expect(retryMs(backOff, 1, { retryAfterMs: 60_000 })).toBe(60_000)
    expect(retryMs(backOff, 1, { retryAfterMs: 9_000_000 })).toBe(300_000)
  })
})
