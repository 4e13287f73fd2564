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

  test.each([
    ['an operator', '#/thresholds', () => ({ token: tested.service.adminToken })],
    ['a partner', '#/notifications', () => partner],
  ] as const)('%s sees what is used of a threshold in this month, and which levels are reached', async (name, at, as) => {
    const levels = [
      { name: 'warning', percent_of_budget: 80 },
      { name: 'used up', value: '213.5' },
      { name: 'far beyond', value: '213.500000001' },
    ]
    const threshold = { metric: 'ai_tokens', per: 'month', levels, budget: '100' }
    if (name === 'a partner') await tested.client.partner(partner, 'POST', '/thresholds', JSON.stringify(threshold))
    else await tested.client.admin('POST', '/admin/v1/thresholds', { ...threshold, partner_id: partner.partnerId })
    await tested.client.send([{ event_id: 'u1', project_id: 'shop', metric: 'ai_tokens', value: '213.5', timestamp: new Date().toISOString() }])
    const { page, problems, close } = await open(at, as())
    const row = page.getByRole('table', { name: 'Thresholds' }).getByRole('row').filter({ hasText: 'ai_tokens' })
    await row.getByText('213.5 tokens (213 % of the budget)').waitFor()
    await row.getByText('warning reached').waitFor()
    await row.getByText('used up reached').waitFor()
    expect(await row.getByText('far beyond reached').count()).toBe(0)
    expect(problems).toEqual([])
    await close()
  })

  test('a metric that operators have defined can be chosen: for a threshold, and for the list of projects, which is sorted by it and adds up', async () => {
    const { client } = tested
    const defined = { kind: 'peak', unit: 'seat', description: 'Users that may sign in.', display: 'Seats' }
    expect((await client.admin('PUT', '/admin/v1/metrics/seats', defined)).status).toBe(200)
    await client.registerProject('blog', partner.partnerId)
    const timestamp = new Date().toISOString()
    await client.send([
      { event_id: 's1', project_id: 'shop', metric: 'seats', value: '30', timestamp },
      { event_id: 's2', project_id: 'blog', metric: 'seats', value: '41.5', timestamp },
    ])
    const { page, problems, close } = await open('#/notifications', partner)
    await page.getByRole('button', { name: 'Set a threshold…' }).click()
    const dialog = page.getByRole('dialog', { name: 'Set a threshold' })
    await dialog.getByLabel('Metric').selectOption({ label: 'Seats (seats)' })
    await dialog.getByLabel(/^Budget per month, in seats/).fill('100')
    await dialog.getByRole('button', { name: 'Set', exact: true }).click()
    const row = page.getByRole('table', { name: 'Thresholds' }).getByRole('row').filter({ hasText: 'seats' })
    await row.getByText('71.5 seats (71 % of the budget)').waitFor()
    await page.goto(`${tested.service.url}/#/projects?metric=seats&sort=-usage`)
    await page.getByRole('table', { name: 'What each project adds to Seats, in seats' }).waitFor()
    const names = await page.getByRole('row').getByRole('rowheader').allTextContents()
    expect(names.map((name) => name.split(' ')[0])).toEqual(['blog', 'shop', 'All'])
    expect(await page.locator('[data-total="seats"]').textContent()).toBe('71.5')
    await page.getByRole('button', { name: 'Add up all lines' }).click()
    await page.getByText('2 lines add up to 71.5 seats: equal to the total.').waitFor()
    await page.goto(`${tested.service.url}/#/projects?metric=desks`)
    await page.getByText('There is no metric desks. Choose another one.').waitFor()
    expect(problems).toEqual([])
    await close()
  })

  test('a row of a webhook has its less used actions folded, and is compact at 1280 px', async () => {
    await tested.client.admin('POST', '/admin/v1/webhooks', { url: 'https://hooks.example.com/meterline', events: ['usage.spike'] })
    const { page, problems, close } = await open('#/webhooks')
    await page.setViewportSize({ width: 1280, height: 900 })
    await page.getByRole('heading', { name: 'Webhooks', level: 2 }).waitFor()
    const row = page.getByRole('row').filter({ hasText: 'hooks.example.com' })
    await row.waitFor()
    const remove = row.getByRole('button', { name: /^Remove…/ })
    expect([await remove.isVisible(), await row.getByRole('button', { name: /^Send a test…/ }).isVisible()]).toEqual([false, true])
    expect((await row.boundingBox())?.height).toBeLessThan(125)
    await row.getByText('More', { exact: true }).click()
    await remove.click()
    await page.getByRole('dialog').getByRole('heading', { name: 'Remove this webhook?' }).waitFor()
    expect(problems).toEqual([])
    await close()
  })
})
