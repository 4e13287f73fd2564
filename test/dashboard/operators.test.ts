import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HAS_CHROMIUM, TestBrowser } from '../support/clients/browser.ts'
import type { Credentials } from '../support/clients/client.ts'
import { openDashboard } from '../support/clients/dashboard.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

describe.skipIf(!HAS_CHROMIUM)('what operators do in the dashboard', () => {
  let tested: TestService
  let browser: TestBrowser
  let partner: Credentials
  beforeAll(async () => {
    tested = await startTestService()
    browser = await TestBrowser.open()
    partner = await tested.client.createPartner('Acme')
  })
  afterAll(async () => {
    await browser?.close()
    await tested?.stop()
  })

  const open = (at: string) => openDashboard({ browser, url: tested.service.url, as: { token: tested.service.adminToken }, at })
  const usage = async (project: string) => (await tested.client.projectUsage(partner, project, '2026-01-01', '2026-01-31')).body.summary.total_ai_tokens
  const event = (id: string, project: string) => ({ event_id: id, project_id: project, metric: 'ai_tokens', value: '7', timestamp: '2026-01-05T10:00:00Z' })

  test('P7: a rejected event is sent again after its cause is repaired, and counts once', async () => {
    const { body } = await tested.client.admin('POST', '/admin/v1/ingest-keys', { name: 'scoped', partner_ids: [partner.partnerId] })
    tested.client.ingestKey = body.key
    const { rejected } = (await tested.client.send([event('r1', 'later')])).body
    expect(rejected).toMatchObject([{ reason: 'project_not_allowed' }])
    await tested.client.registerProject('later', partner.partnerId)
    const { page, problems, close } = await open('#/rejected')
    await page.getByRole('checkbox', { name: 'Select event r1' }).check()
    await page.getByRole('button', { name: 'Resend selected' }).click()
    await page.getByRole('dialog').getByText('The event is treated as received now.').waitFor()
    expect(await usage('later')).toBe('0')
    await page.getByRole('button', { name: 'Resend 1 event' }).click()
    await page.getByText('1 accepted.').waitFor()
    expect(await usage('later')).toBe('7')
    await page.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('checkbox', { name: 'Select event r1' }).check()
    await page.getByRole('button', { name: 'Resend selected' }).click()
    await page.getByRole('button', { name: 'Resend 1 event' }).click()
    await page.getByText('1 duplicate.').waitFor()
    expect(await usage('later')).toBe('7')
    expect(problems).toEqual([])
    await close()
  })

  test('an unregistered project is registered, and its usage belongs to the partner', async () => {
    await tested.client.createIngestKey()
    await tested.client.send([event('u1', 'unknown-project')])
    const { page, problems, close } = await open('#/unregistered?days=400')
    await page.getByRole('button', { name: 'Register unknown-project' }).click()
    const dialog = page.getByRole('dialog', { name: 'Register unknown-project' })
    await dialog.getByLabel('Partner').selectOption(partner.partnerId)
    await dialog.getByRole('button', { name: /^Register/ }).click()
    await page.getByRole('button', { name: 'Register unknown-project' }).waitFor({ state: 'detached' })
    expect(await usage('unknown-project')).toBe('7')
    expect(problems).toEqual([])
    await close()
  })

  test('a secret is listed by its name only; revealing it asks first and is recorded', async () => {
    const headers = { authorization: `Bearer ${tested.service.adminToken}`, 'content-type': 'application/json' }
    await tested.client.call('POST', '/api/secrets', { headers, body: JSON.stringify({ key: 'STRIPE_API_KEY', value: 'sk_live_4711' }) })
    const { page, close } = await open('#/secrets')
    await page.getByText('STRIPE_API_KEY').first().waitFor()
    expect(await page.content()).not.toContain('sk_live_4711')
    await page
      .getByRole('button', { name: /Reveal/ })
      .first()
      .click()
    await page.getByText('The audit log will record').waitFor()
    expect(await page.content()).not.toContain('sk_live_4711')
    await page.getByRole('dialog').getByRole('button', { name: 'Reveal' }).click()
    await page.getByText('The value is shown. Reading it was recorded.').waitFor()
    expect(await page.getByLabel('Value of STRIPE_API_KEY').inputValue()).toBe('sk_live_4711')
    await page.getByRole('button', { name: 'Hide' }).click()
    await expect.poll(() => page.content()).not.toContain('sk_live_4711')
    const { entries } = (await tested.client.admin('GET', '/admin/v1/audit-log?action=secret.read')).body
    expect(entries).toHaveLength(1)
    await close()
  })

  test('an ingest key is shown once, works, and is rejected after it is revoked', async () => {
    const { page, close } = await open('#/credentials')
    await page.getByRole('button', { name: 'Create an ingest key…' }).click()
    await page.getByRole('dialog').getByLabel('Name').fill('from the page')
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /^Create/ })
      .click()
    const key = await page.getByLabel('The new ingest key').inputValue()
    tested.client.ingestKey = key
    expect((await tested.client.send([event('k1', 'later')])).status).toBe(200)
    await page.keyboard.press('Escape')
    expect(await page.getByLabel('The new ingest key').inputValue()).toBe(key)
    await page.getByRole('button', { name: 'Close window' }).click()
    await expect.poll(() => page.content()).not.toContain(key)
    await page
      .getByRole('row', { name: /from the page/ })
      .getByRole('button', { name: /Revoke/ })
      .click()
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /^Revoke/ })
      .click()
    await page
      .getByRole('row', { name: /from the page/ })
      .getByText('revoked')
      .waitFor()
    expect((await tested.client.send([event('k2', 'later')])).status).toBe(401)
    await close()
  })

  test('an audit from the calendar recounts and says that nothing differs', async () => {
    const { page, close } = await open('#/audits')
    await page.getByRole('button', { name: 'Run an audit…' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: /^Run/ }).click()
    await dialog.getByText(/0 differences/).waitFor()
    await close()
  })
})
