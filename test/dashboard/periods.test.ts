import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HAS_CHROMIUM, TestBrowser, type TestPage } from '../support/clients/browser.ts'
import type { Credentials } from '../support/clients/client.ts'
import { openDashboard } from '../support/clients/dashboard.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

describe.skipIf(!HAS_CHROMIUM)('the period of a page', () => {
  let tested: TestService
  let browser: TestBrowser
  let partner: Credentials
  beforeAll(async () => {
    tested = await startTestService()
    browser = await TestBrowser.open()
    await tested.client.createIngestKey()
    partner = await tested.client.createPartner('Acme')
    await tested.client.registerProject('shop', partner.partnerId, { name: 'Shop' })
    const timestamps = ['2026-01-15T10:00:00Z', new Date().toISOString()]
    await tested.client.send(
      timestamps.map((timestamp, index) => ({ event_id: String(index), project_id: 'shop', metric: 'ai_tokens', value: '7', timestamp })),
    )
  })
  afterAll(async () => {
    await browser?.close()
    await tested?.stop()
  })

  const open = (at: string, options = {}) => openDashboard({ browser, url: tested.service.url, as: partner, at, options })
  const chosen = (page: TestPage['page']) => page.getByRole('combobox', { name: 'Period' }).inputValue()

  test('the choice follows the address: by a link of the menu, and by going back', async () => {
    const { page, close } = await open('#/usage?from=2026-01-10&to=2026-01-20')
    expect(await chosen(page)).toBe('custom')
    expect(await page.getByLabel('From', { exact: true }).inputValue()).toBe('2026-01-10')
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Usage' }).click()
    await page.getByLabel('From', { exact: true }).waitFor({ state: 'detached' })
    expect(await chosen(page)).toBe(`month:${new Date().toISOString().slice(0, 7)}`)
    await page.goBack()
    expect(await page.getByLabel('From', { exact: true }).inputValue()).toBe('2026-01-10')
    expect(await chosen(page)).toBe('custom')
    await close()
  })

  test('choosing other days opens their fields, and they are shown', async () => {
    const { page, close } = await open('#/usage')
    await page.getByRole('combobox', { name: 'Period' }).selectOption('custom')
    await page.getByLabel('From', { exact: true }).fill('2026-01-10')
    await page.getByLabel('To', { exact: true }).fill('2026-01-20')
    await page.getByRole('button', { name: 'Show', exact: true }).click()
    await page.getByText('Jan 10, 2026 – Jan 20, 2026, UTC days').waitFor()
    await close()
  })

  test('a project of an explanation opens in the period of the page', async () => {
    const { page, close } = await open('#/usage?month=2026-01')
    await page.getByRole('button', { name: 'Explain' }).first().click()
    await page.getByRole('dialog').getByRole('link', { name: 'Shop' }).click()
    await page.getByRole('heading', { name: 'Shop' }).waitFor()
    // The link is gone, and with it the dialog that had the focus.
    await expect.poll(() => page.evaluate('document.activeElement.id')).toBe('content')
    expect(await chosen(page)).toBe('month:2026-01')
    await close()
  })

  test('a copied link names the month, so that it shows the same one later', async () => {
    const { page, close } = await open('#/usage')
    const link = await page.getByRole('button', { name: 'Copy the link' }).first().getAttribute('title')
    expect(link).toBe(`${tested.service.url}/#/usage?month=${new Date().toISOString().slice(0, 7)}`)
    await close()
  })

  test('where there is no clipboard, copying says that nothing was copied', async () => {
    const { page, problems, close } = await open('#/usage?month=2026-01')
    await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    await page.getByRole('button', { name: 'Copy as curl' }).first().click()
    await page.getByText('Not copied: the browser does not allow it').waitFor()
    expect(problems).toEqual([])
    await close()
  })
})
