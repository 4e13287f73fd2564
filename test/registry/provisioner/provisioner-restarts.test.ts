import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { retryMs } from '../../../outgoing/back-off.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
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

describe('nothing is forgotten', () => {
  test('what a stop left, the next start delivers under the same id', async () => {
    const first = await world.start()
    const project = await world.handedOver(first)
    world.platform.is('fails')
    const asked = await world.ask(first, pauseProject, project)
    await untilSo(async () => world.platform.of(project.id).length > 2)
    await first.stop()
    const before = world.platform.of(project.id)
    world.platform.is('takes')
    world.startProvisioner()
    await world.untilProvisioned(asked)
    expect((await world.current(project)).status).toBe('paused')
    expect(world.platform.of(project.id).at(-1)?.headers['webhook-id']).toBe(before.at(-1)?.headers['webhook-id'])
  })

  test('what another process has left undone is taken from it, but not at once', async () => {
    const patient = await world.start({ takeOverAfterMs: 60_000 })
    const project = await world.handedOver(patient)
    const sweptEmpty = async () => patient.stats().pending === 0
    await untilSo(sweptEmpty)
    const asked = await world.wanted(pauseProject, project)
    await untilSo(async () => patient.stats().pending === 1)
    await untilSo(async () => (await world.current(project)).revision === asked.revision)
    expect(world.platform.of(project.id)).toHaveLength(1)
    await patient.stop()
    const taking = world.startProvisioner({ takeOverAfterMs: 30 })
    await world.untilProvisioned(asked)
    const next = await world.wanted(restoreProject, project)
    await world.untilProvisioned(next)
    expect(taking.stats().delivered).toBe(2)
  })

  test('a rename by the operator leaves a pause wanted; a status that he says is what the platform has made', async () => {
    const provisioner = await world.start({ takeOverAfterMs: 60_000 })
    const project = await world.handedOver(provisioner)
    await world.wanted(pauseProject, project)
    const own = { projectId: project.id, partnerId: PROVISIONED_PARTNER, name: `${project.name} renamed` }
    await registerProject(world.registry, SERVICE, own)
    const renamed = await world.current(project)
    expect([renamed.status, renamed.wantedStatus, renamed.provisionedRevision < renamed.wantedRevision]).toEqual(['active', 'paused', true])
    await registerProject(world.registry, SERVICE, { ...own, status: 'paused' })
    const said = await world.current(project)
    expect([said.status, said.wantedStatus, said.provisionedRevision]).toEqual(['paused', 'paused', said.wantedRevision])
  })

  test('what waited when the provisioner was taken away is done when it is asked for again', async () => {
    const provisioner = await world.start({ takeOverAfterMs: 60_000 })
    const project = await world.handedOver(provisioner)
    await world.wanted(pauseProject, project)
    const without = { ...world.registry, provisions: false }
    const paused = await pauseProject(without, SERVICE, projectOfPartnerIds(project))
    expect([paused?.status, paused?.provisionedRevision]).toEqual(['paused', paused?.wantedRevision])
  })
})

describe('limits', () => {
  test('only so many deliveries are under way at once', async () => {
    const provisioner = await world.start({ concurrentDeliveriesMax: 3 })
    world.platform.is('holds')
    const made: Project[] = []
    for (let nth = 0; nth < 8; nth += 1) made.push(await world.newProject())
    for (const project of made) provisioner.handOver(project)
    await untilSo(async () => {
      if (world.platform.held() === 3) world.platform.release()
      if (provisioner.stats().delivered > 5) world.platform.is('takes')
      if (provisioner.stats().delivered > 5) world.platform.release()
      return provisioner.stats().delivered === made.length
    })
    expect(world.platform.heldMost()).toBe(3)
  })

  test('an address that may not be called is not, and the log does not tell the URL', async () => {
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

  test('the pauses between attempts grow to a limit, differ, and are as long as the platform asks, up to the limit', () => {
    const backOff = { retryMsFirst: 1_000, retryMsMax: 300_000 }
    const longest = Array.from({ length: 12 }, (_, index) => retryMs(backOff, index + 1, { random: 1 }))
    expect(longest).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300].map((seconds) => seconds * 1_000))
    expect(retryMs(backOff, 1, { random: 0 })).toBe(500)
    expect(retryMs(backOff, 5_000)).toBeLessThanOrEqual(300_000)
    expect(retryMs(backOff, 1, { retryAfterMs: 60_000 })).toBe(60_000)
    expect(retryMs(backOff, 1, { retryAfterMs: 9_000_000 })).toBe(300_000)
  })
})
