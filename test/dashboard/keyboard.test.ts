import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HAS_CHROMIUM, TestBrowser } from '../support/clients/browser.ts'
import type { Credentials } from '../support/clients/client.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

describe.skipIf(!HAS_CHROMIUM)('the dashboard without a mouse', () => {
  let tested: TestService
  let browser: TestBrowser
  let partner: Credentials
  beforeAll(async () => {
    tested = await startTestService()
    browser = await TestBrowser.open()
    await tested.client.createIngestKey()
    partner = await tested.client.createPartner('Acme')
    await tested.client.registerProject('shop', partner.partnerId, { name: 'Shop' })
    await tested.client.send(
      ['01', '02', '03'].map((day) => ({
        ...{ event_id: day, project_id: 'shop', metric: 'database_size_bytes', value: `${Number(day) * 1000}` },
        timestamp: `2026-01-${day}T10:00:00Z`,
      })),
    )
  })
  afterAll(async () => {
    await browser?.close()
    await tested?.stop()
  })

  test('signing in, walking along the days, explaining a peak and opening a project take keys alone', async () => {
    const { page, problems } = await browser.openPage(`${tested.service.url}/#/usage?month=2026-01`)
    await focusByTab(page, 'Partner id')
    await page.keyboard.type(partner.partnerId)
    await page.keyboard.press('Tab')
    await page.keyboard.type(partner.secret)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Usage of Acme' }).waitFor()
    // The chart is one stop, at its last day with usage; arrows move from there.
    await focusByTab(page, 'Jan 3, 2026: 3,000 bytes, the peak')
    await page.keyboard.press('ArrowLeft')
    expect(await focusedName(page)).toContain('Jan 2, 2026: 2,000 bytes')
    await page.keyboard.press('Home')
    expect(await focusedName(page)).toContain('Jan 1, 2026: 1,000 bytes')
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Database size, Jan 1, 2026' })
    await dialog.getByText('1,000 bytes').first().waitFor()
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    expect(await focusedName(page)).toContain('Jan 1, 2026')
    await focusByTab(page, 'Explain')
    await page.keyboard.press('Enter')
    await page.getByText('The peak was reached on Jan 3, 2026.').waitFor()
    await focusByTab(page, 'Shop')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Shop' }).waitFor()
    expect(problems).toEqual([])
  })
})

const STOPS_MAX = 80

/** Presses Tab until the element with this name has the focus. */
async function focusByTab(page: Page, name: string): Promise<void> {
  for (let stop = 0; stop < STOPS_MAX; stop += 1) {
    await page.keyboard.press('Tab')
    if ((await focusedName(page)).startsWith(name)) return
  }
  throw new Error(`"${name}" cannot be reached with Tab.`)
}

async function focusedName(page: Page): Promise<string> {
  const name = await page.evaluate(`(() => {
    const { activeElement: at } = document
    return at.getAttribute('aria-label') ?? at.labels?.[0]?.textContent ?? at.textContent ?? ''
  })()`)
  return String(name).trim()
}
