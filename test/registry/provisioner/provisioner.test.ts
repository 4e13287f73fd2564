import { Webhook } from 'standardwebhooks'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { SERVICE } from '../../../registry/audit-log.ts'
import { deleteProject, pauseProject, restoreProject } from '../../../registry/projects/lifecycle.ts'
import { syncEmbeddedProject } from '../../../registry/projects/sync-project.ts'
import { noteProvisioned } from '../../../registry/provisioner/note-provisioned.ts'
import { untilSo } from '../../support/until-so.ts'
import { PROVISIONED_PARTNER, ProvisionedWorld, projectOfPartnerIds, WEBHOOK_SECRET } from '../../support/worlds/provisioned-world.ts'

let world: ProvisionedWorld
beforeAll(async () => {
  world = await ProvisionedWorld.open()
})
afterAll(() => world.close())
afterEach(() => world.endTest())

describe('what is asked is done when the platform says so', () => {
  test('a new project is active at once and handed over, signed, without its key', async () => {
    const provisioner = await world.start()
    const project = await world.newProject()
    expect([project.status, project.wantedRevision, project.provisionedRevision]).toEqual(['active', 1, 0])
    provisioner.handOver(project)
    await world.untilProvisioned(project)
    const [message, ...more] = world.platform.of(project.id)
    expect([more, new Webhook(WEBHOOK_SECRET).verify(message?.body ?? '', message?.headers ?? {})]).toEqual([
      [],
      {
        type: 'project.updated',
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        data: {
          id: project.id,
          partner_id: PROVISIONED_PARTNER,
          account_id: null,
          name: project.name,
          region: 'us-east',
          instance_type: 'nano',
          access_host: project.accessHost,
          status: 'active',
          revision: 1,
        },
      },
    ])
    expect((await world.current(project)).provisionedRevision).toBe(1)
  })

  test('a pause is tried until it succeeds, under one id, and only then is the project paused', async () => {
    const provisioner = await world.start()
    const project = await world.handedOver(provisioner)
    world.platform.is('fails')
    const asked = await world.ask(provisioner, pauseProject, project)
    expect([asked.status, asked.wantedStatus]).toEqual(['active', 'paused'])
    await untilSo(async () => world.platform.of(project.id).length >= 4)
    expect((await world.current(project)).status).toBe('active')
    world.platform.is('takes')
    await world.untilProvisioned(asked)
    expect((await world.current(project)).status).toBe('paused')
    const ids = world.platform.of(project.id).map(({ headers }) => headers['webhook-id'])
    expect([new Set(ids.slice(1)).size, new Set(ids).size]).toEqual([1, 2])
    expect(world.logged.at(-1)).toMatchObject({ projectId: project.id, status: 'failed', reason: 'http_status', httpStatus: 500 })
  })

  test('who waits is answered when the platform has done it; to ask again meanwhile starts nothing new', async () => {
    const provisioner = await world.start()
    const project = await world.handedOver(provisioner)
    world.platform.is('holds')
    const asked = await world.ask(provisioner, pauseProject, project)
    const waiting = [provisioner.provisioned(asked)]
    await untilSo(async () => world.platform.held() === 1)
    for (let times = 0; times < 5; times += 1) {
      const again = await world.ask(provisioner, pauseProject, project)
      expect(again).toEqual(asked)
      waiting.push(provisioner.provisioned(again))
    }
    world.platform.is('takes')
    world.platform.release()
    for (const state of await Promise.all(waiting)) expect(state).toMatchObject({ projectId: project.id, status: 'paused' })
    expect(world.platform.of(project.id).map(({ data }) => data.status)).toEqual(['active', 'paused'])
    expect(await world.auditedActions(project)).toEqual(['project.create', 'project.provisioned', 'project.pause', 'project.provisioned'])
  })

  test('who waits too long is told so, and it goes on', async () => {
    const provisioner = await world.start({ waitMsMax: 60 })
    const project = await world.handedOver(provisioner)
    world.platform.is('fails')
    const asked = await world.ask(provisioner, pauseProject, project)
    expect(await provisioner.provisioned(asked)).toBeUndefined()
    world.platform.is('takes')
    await world.untilProvisioned(asked)
    expect(await provisioner.provisioned(await world.ask(provisioner, pauseProject, project))).toMatchObject({ status: 'paused' })
  })

  test('what the platform said to another process is seen here, too', async () => {
    const provisioner = await world.start({ takeOverAfterMs: 60_000 })
    const project = await world.handedOver(provisioner)
    world.platform.is('fails')
    const asked = await world.wanted(pauseProject, project)
    const waiting = provisioner.provisioned(asked)
    await noteProvisioned(world.registry, asked)
    expect(await waiting).toMatchObject({ status: 'paused' })
    expect(world.platform.of(project.id)).toHaveLength(1)
  })
})

describe('of one project one message is under way, and the last wish stands', () => {
  test('a restore that overtakes a pause: the project was never paused, and the platform is told both in order', async () => {
    const provisioner = await world.start()
    const project = await world.handedOver(provisioner)
    world.platform.is('holds')
    await world.ask(provisioner, pauseProject, project)
    await untilSo(async () => world.platform.held() === 1)
    const restored = await world.ask(provisioner, restoreProject, project)
    expect([restored.status, restored.wantedStatus]).toEqual(['active', 'active'])
    const waiting = provisioner.provisioned(restored)
    expect(world.platform.of(project.id)).toHaveLength(2)
    world.platform.is('takes')
    world.platform.release()
    expect(await waiting).toMatchObject({ status: 'active' })
    expect(world.platform.of(project.id).map(({ data }) => [data.status, data.revision])).toEqual([
      ['active', 1],
      ['paused', 3],
      ['active', 4],
    ])
    expect(await world.provisionedStatuses(project)).toEqual(['active', 'active', 'active'])
  })

  test('pause, restore and pause again while the first is under way: paused, and what came between is never sent', async () => {
    const provisioner = await world.start()
    const project = await world.handedOver(provisioner)
    world.platform.is('holds')
    await world.ask(provisioner, pauseProject, project)
    await untilSo(async () => world.platform.held() === 1)
    await world.ask(provisioner, restoreProject, project)
    const asked = await world.ask(provisioner, pauseProject, project)
    world.platform.is('takes')
    world.platform.release()
    await world.untilProvisioned(asked)
    expect((await world.current(project)).status).toBe('paused')
    expect(world.platform.of(project.id).map(({ data }) => data.status)).toEqual(['active', 'paused', 'paused'])
  })

  test('an answer to an older revision that comes after one to a newer changes nothing', async () => {
    const provisioner = await world.start()
    const project = await world.handedOver(provisioner)
    world.platform.is('fails')
    const paused = await world.wanted(pauseProject, project)
    const restored = await world.wanted(restoreProject, project)
    const again = await world.wanted(pauseProject, project)
    await noteProvisioned(world.registry, restored)
    await noteProvisioned(world.registry, paused)
    expect(await world.current(project)).toMatchObject({ status: 'active', provisionedRevision: restored.wantedRevision, wantedRevision: again.wantedRevision })
    expect(await world.provisionedStatuses(project)).toEqual(['active', 'active'])
  })

  test('a region that changes while the project is being paused does not undo the pause', async () => {
    const provisioner = await world.start()
    const project = await world.handedOver(provisioner)
    world.platform.is('holds')
    await world.ask(provisioner, pauseProject, project)
    await untilSo(async () => world.platform.held() === 1)
    const moved = await syncEmbeddedProject(world.registry, SERVICE, { partnerId: PROVISIONED_PARTNER, name: project.name, region: 'eu-west' })
    expect([moved.region, moved.status, moved.wantedStatus]).toEqual(['eu-west', 'active', 'paused'])
    provisioner.handOver(moved)
    world.platform.is('takes')
    world.platform.release()
    await world.untilProvisioned(moved)
    expect((await world.current(project)).status).toBe('paused')
    expect(world.platform.of(project.id).at(-1)?.data).toMatchObject({ status: 'paused', region: 'eu-west' })
  })

  test('a deletion is at once and final, whatever the platform says to a pause that came before', async () => {
    const provisioner = await world.start()
    const project = await world.handedOver(provisioner)
    world.platform.is('holds')
    const waiting = provisioner.provisioned(await world.ask(provisioner, pauseProject, project))
    await untilSo(async () => world.platform.held() === 1)
    const deleted = await world.ask(provisioner, deleteProject, project)
    expect([deleted.status, await pauseProject(world.registry, SERVICE, projectOfPartnerIds(project))]).toEqual(['deleted', undefined])
    expect(await waiting).toMatchObject({ status: 'deleted' })
    world.platform.is('takes')
    world.platform.release()
    await world.untilProvisioned(deleted)
    expect((await world.current(project)).status).toBe('deleted')
    expect(world.platform.of(project.id).at(-1)?.data.status).toBe('deleted')
    expect(await world.provisionedStatuses(project)).toEqual(['active', 'deleted', 'deleted'])
  })
})
