import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HAS_CHROMIUM, TestBrowser } from '../support/clients/browser.ts'
import type { Credentials } from '../support/clients/client.ts'
import { openDashboard, type SignedInAs } from '../support/clients/dashboard.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

describe.skipIf(!HAS_CHROMIUM)('thresholds in the dashboard', () => {
  let tested: TestService
  let browser: TestBrowser
  let partner: Credentials
  beforeAll(async () => {
    tested = await startTestService()
    browser = await TestBrowser.open()
    partner = await tested.client.createPartner('Acme')
    await tested.client.createIngestKey()
    await tested.client.registerProject('shop', partner.partnerId)
  })
  afterAll(async () => {
    await browser?.close()
    await tested?.stop()
  })

  const open = (at: string, as: SignedInAs = { token: tested.service.adminToken }) => openDashboard({ browser, url: tested.service.url, as, at })

  test.each([
    ['partner', 'Partner id', 'partner_id', 'All projects of a partner'],
    ['project', 'Project id', 'project_id', 'One project'],
  ])('a %s that does not exist is reported at its field', async (_, label, name, scope) => {
    const { page, close } = await open('#/thresholds')
    await page.getByRole('button', { name: 'Set a threshold…' }).click()
    const dialog = page.getByRole('dialog', { name: 'Set a threshold' })
    await dialog.getByLabel(scope).check()
    await dialog.getByLabel(label).fill('ps_unknown')
    await dialog.getByLabel(/^Budget/).fill('100')
    await dialog.getByRole('button', { name: 'Set', exact: true }).click()
    await dialog.getByText(/^P\w+ id: P\w+ not found\.$/).waitFor()
    expect(await dialog.locator('[aria-invalid="true"]').getAttribute('name')).toBe(name)
    expect(await dialog.getByText('This was not done').count()).toBe(0)
    await close()
  })
})
