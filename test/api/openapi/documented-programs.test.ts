import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { coBrandedProgram, type ProgramEnvironment, whiteLabelProgram } from '../../support/clients/documented-programs.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
beforeAll(async () => {
  tested = await startTestService()
  await tested.client.createIngestKey()
})
afterAll(() => tested.stop())

test('the documented white-label program runs unchanged except for the host', async () => {
  const partner = await tested.client.createPartner('White-label')
  const { printed, surroundings } = surroundingsOf(partner)
  const program = whiteLabelProgram(surroundings)
  const project = await program.createEmbeddedProject('embedded-project')
  expect(project).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    access_host: expect.stringMatching(/^https:\/\/embedded-project-.*eu-west/),
    api_key: expect.any(String),
    status: 'active',
  })
  const at = (metric: string, value: number | string, day: string) => ({
    event_id: `${metric} ${day}`,
    project_id: project.id,
    metric,
    value,
    timestamp: `${day}T10:30:00Z`,
  })
  await tested.client.send([
    at('database_size_bytes', 1_048_576, '2025-11-10'),
    at('database_size_bytes', 1_048_570, '2025-11-11'),
    at('file_storage_bytes', 5_242_880, '2025-11-11'),
    at('ai_credits', '1.5', '2025-11-12'),
    at('egress_bytes', 2_097_152, '2025-11-12'),
    at('egress_bytes', 1, '2025-11-30'),
  ])
  await program.pauseProject(project.id)
  await program.restoreProject(project.id)
  await program.deleteProject(project.id)
  // The month has the usage of a project that is gone by now.
  const data = await program.getPartnershipUsage('2025-11-01', '2025-11-30')
  expect(data.partnership).toEqual({ id: partner.partnerId, name: 'White-label' })
  expect(printed).toEqual([
    `Project ${project.id} status: paused`,
    `Project ${project.id} status: active`,
    'Project deleted successfully',
    expect.stringMatching(/^Request ID: [0-9a-f-]{36}$/),
    'Period: 2025-11-01T00:00:00Z to 2025-11-30T23:59:59Z',
    'Database: 1048576 bytes (peak)',
    'Storage: 5242880 bytes (peak)',
    'AI Credits: 1.5',
    'Egress: 2097153 bytes',
  ])
  await expect(program.deleteProject(project.id)).rejects.toThrow('Failed to delete project: 404')
})

test('the documented co-branded program runs unchanged, up to the limit of the free plan and beyond it', async () => {
  const partner = await tested.client.createPartner('Co-branded', 'co-branded')
  const { printed, surroundings } = surroundingsOf(partner)
  const program = coBrandedProgram(surroundings)
  const userId = await program.connectUser('John Doe', 'john@example.com')
  expect(await program.connectUser('John Doe', 'John@Example.com ')).toBe(userId)
  const project = await program.createProject(userId, 'my-project')
  program.useCredentials(project)
  expect(printed).toEqual([project.access_host, project.api_key])
  const second = await program.createProject(userId, 'my-second-project')
  const beyond = 'Free plan allows up to 2 active projects. Please upgrade your plan to create more projects.'
  await expect(program.createProject(userId, 'my-third-project')).rejects.toThrow(beyond)
  expect(await program.createProject(userId, 'my-second-project')).toEqual(second)
  const { body } = await tested.client.admin('PUT', `/admin/v1/accounts/${userId}`, { plan: 'paid' })
  expect(body.account.plan).toBe('paid')
  expect((await program.createProject(userId, 'my-third-project')).status).toBe('active')
})

function surroundingsOf({ partnerId, secret }: Credentials): { printed: string[]; surroundings: ProgramEnvironment } {
  const printed: string[] = []
  const { url } = tested.service
  return {
    printed,
    surroundings: {
      PARTNER_ID: partnerId,
      SECRET_KEY: secret,
      fetch: (address, init) => fetch(address.replace('https://api.example.com', url), init),
      console: { log: (...words) => void printed.push(words.join(' ')) },
    },
  }
}
