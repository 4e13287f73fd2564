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

describe('changes of projects are done when the platform acknowledges them', () => {
  test('a new project is active immediately and is handed over signed, without its API key', async () => {
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

  test('a pause is delivered under one id until the platform acknowledges it, and only then is the project paused', async () => {
    const provisioner = await world.start()
    const project = await world.acknowledgedProject(provisioner)
    world.platform.set('fails')
    const requested = await world.request(provisioner, pauseProject, project)
    expect([requested.status, requested.wantedStatus]).toEqual(['active', 'paused'])
    await untilSo(async () => world.platform.of(project.id).length >= 4)
    expect((await world.current(project)).status).toBe('active')
    world.platform.set('acknowledges')
    await world.untilProvisioned(requested)
    expect((await world.current(project)).status).toBe('paused')
    const ids = world.platform.of(project.id).map(({ headers }) => headers['webhook-id'])
    expect([new Set(ids.slice(1)).size, new Set(ids).size]).toEqual([1, 2])
    expect(world.logged.at(-1)).toMatchObject({ projectId: project.id, status: 'failed', reason: 'http_status', httpStatus: 500 })
  })

  test('waiting calls are answered when the platform acknowledges the pause; repeated requests start nothing new', async () => {
    const provisioner = await world.start()
    const project = await world.acknowledgedProject(provisioner)
    world.platform.set('holds')
    const requested = await world.request(provisioner, pauseProject, project)
    const waiting = [provisioner.provisioned(requested)]
    await untilSo(async () => world.platform.heldCount() === 1)
    for (let times = 0; times < 5; times += 1) {
      const again = await world.request(provisioner, pauseProject, project)
      expect(again).toEqual(requested)
      waiting.push(provisioner.provisioned(again))
    }
    world.platform.set('acknowledges')
    world.platform.release()
    for (const state of await Promise.all(waiting)) expect(state).toMatchObject({ projectId: project.id, status: 'paused' })
    expect(world.platform.of(project.id).map(({ data }) => data.status)).toEqual(['active', 'paused'])
    expect(await world.auditedActions(project)).toEqual(['project.create', 'project.provisioned', 'project.pause', 'project.provisioned'])
  })

  test('a call that waits too long is answered without a state, and delivery continues', async () => {
    const provisioner = await world.start({ waitMsMax: 60 })
    const project = await world.acknowledgedProject(provisioner)
    world.platform.set('fails')
    const requested = await world.request(provisioner, pauseProject, project)
    expect(await provisioner.provisioned(requested)).toBeUndefined()
    world.platform.set('acknowledges')
    await world.untilProvisioned(requested)
    expect(await provisioner.provisioned(await world.request(provisioner, pauseProject, project))).toMatchObject({ status: 'paused' })
  })

  test('an acknowledgement that another process received answers the calls that wait here', async () => {
    const provisioner = await world.start({ takeOverAfterMs: 60_000 })
    const project = await world.acknowledgedProject(provisioner)
    world.platform.set('fails')
    const requested = await world.requestOnly(pauseProject, project)
    const waiting = provisioner.provisioned(requested)
    await noteProvisioned(world.registry, requested)
    expect(await waiting).toMatchObject({ status: 'paused' })
    expect(world.platform.of(project.id)).toHaveLength(1)
  })
})

describe('each project has one delivery at a time, and the latest request wins', () => {
  test('a restore requested during the delivery of a pause keeps the project active, and the platform receives both in order', async () => {
    const provisioner = await world.start()
    const project = await world.acknowledgedProject(provisioner)
    world.platform.set('holds')
    await world.request(provisioner, pauseProject, project)
    await untilSo(async () => world.platform.heldCount() === 1)
    const restored = await world.request(provisioner, restoreProject, project)
    expect([restored.status, restored.wantedStatus]).toEqual(['active', 'active'])
    const waiting = provisioner.provisioned(restored)
    expect(world.platform.of(project.id)).toHaveLength(2)
    world.platform.set('acknowledges')
    world.platform.release()
    expect(await waiting).toMatchObject({ status: 'active' })
    expect(world.platform.of(project.id).map(({ data }) => [data.status, data.revision])).toEqual([
      ['active', 1],
      ['paused', 3],
      ['active', 4],
    ])
    expect(await world.provisionedStatuses(project)).toEqual(['active', 'active', 'active'])
  })

  test('a restore that is replaced by a pause before its delivery is never sent', async () => {
    const provisioner = await world.start()
    const project = await world.acknowledgedProject(provisioner)
    world.platform.set('holds')
    await world.request(provisioner, pauseProject, project)
    await untilSo(async () => world.platform.heldCount() === 1)
    await world.request(provisioner, restoreProject, project)
    const requested = await world.request(provisioner, pauseProject, project)
    world.platform.set('acknowledges')
    world.platform.release()
    await world.untilProvisioned(requested)
    expect((await world.current(project)).status).toBe('paused')
    expect(world.platform.of(project.id).map(({ data }) => data.status)).toEqual(['active', 'paused', 'paused'])
  })

  test('an acknowledgement of an older revision that arrives after one of a newer revision changes nothing', async () => {
    const provisioner = await world.start()
    const project = await world.acknowledgedProject(provisioner)
    world.platform.set('fails')
    const paused = await world.requestOnly(pauseProject, project)
    const restored = await world.requestOnly(restoreProject, project)
    const again = await world.requestOnly(pauseProject, project)
    await noteProvisioned(world.registry, restored)
    await noteProvisioned(world.registry, paused)
    expect(await world.current(project)).toMatchObject({ status: 'active', provisionedRevision: restored.wantedRevision, wantedRevision: again.wantedRevision })
    expect(await world.provisionedStatuses(project)).toEqual(['active', 'active'])
  })

  test('a change of region during the delivery of a pause does not undo the pause', async () => {
    const provisioner = await world.start()
    const project = await world.acknowledgedProject(provisioner)
    world.platform.set('holds')
    await world.request(provisioner, pauseProject, project)
    await untilSo(async () => world.platform.heldCount() === 1)
    const moved = await syncEmbeddedProject(world.registry, SERVICE, { partnerId: PROVISIONED_PARTNER, name: project.name, region: 'eu-west' })
    expect([moved.region, moved.status, moved.wantedStatus]).toEqual(['eu-west', 'active', 'paused'])
    provisioner.handOver(moved)
    world.platform.set('acknowledges')
    world.platform.release()
    await world.untilProvisioned(moved)
    expect((await world.current(project)).status).toBe('paused')
    expect(world.platform.of(project.id).at(-1)?.data).toMatchObject({ status: 'paused', region: 'eu-west' })
  })

  test('a deletion is immediate and final, whatever the platform answers to an earlier pause', async () => {
    const provisioner = await world.start()
    const project = await world.acknowledgedProject(provisioner)
    world.platform.set('holds')
    const waiting = provisioner.provisioned(await world.request(provisioner, pauseProject, project))
    await untilSo(async () => world.platform.heldCount() === 1)
    const deleted = await world.request(provisioner, deleteProject, project)
    expect([deleted.status, await pauseProject(world.registry, SERVICE, projectOfPartnerIds(project))]).toEqual(['deleted', undefined])
    expect(await waiting).toMatchObject({ status: 'deleted' })
    world.platform.set('acknowledges')
    world.platform.release()
    await world.untilProvisioned(deleted)
    expect((await world.current(project)).status).toBe('deleted')
    expect(world.platform.of(project.id).at(-1)?.data.status).toBe('deleted')
    expect(await world.provisionedStatuses(project)).toEqual(['active', 'deleted', 'deleted'])
  })
})
