import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dayOf, MS_PER_DAY } from '../../metering/timestamp.ts'
import { HAS_CHROMIUM, TestBrowser } from '../support/clients/browser.ts'
import type { Credentials } from '../support/clients/client.ts'
import { openDashboard } from '../support/clients/dashboard.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const DAYS_SENT = 7
const DAYS_SILENT = 2

describe.skipIf(!HAS_CHROMIUM)('what operators read in the dashboard', () => {
  let tested: TestService
  let browser: TestBrowser
  let partner: Credentials
  beforeAll(async () => {
    tested = await startTestService({ LOG_LEVEL: 'info' }, () => undefined)
    browser = await TestBrowser.open()
    partner = await tested.client.createPartner('Acme')
    await tested.client.createIngestKey()
    await tested.client.registerProject('steady', partner.partnerId)
    await tested.client.send(
      Array.from({ length: DAYS_SENT }, (_, index) => {
        const day = dayOf(Date.now() - (DAYS_SILENT + 1 + index) * MS_PER_DAY)
        return { event_id: `s${index}`, project_id: 'steady', metric: 'ai_tokens', value: '1.000000001', timestamp: `${day}T10:00:00Z` }
      }),
    )
  })
  afterAll(async () => {
    await browser?.close()
    await tested?.stop()
  })

  const open = (at: string) => openDashboard({ browser, url: tested.service.url, as: { token: tested.service.adminToken }, at })

  test('an emitter that sent every day and stopped is listed as silent, with its last day', async () => {
    const { page, problems, close } = await open('#/silent')
    const row = page.getByRole('row', { name: /steady/ })
    await row.getByText(`${DAYS_SILENT} days`).waitFor()
    await row.getByText(partner.partnerId).waitFor()
    await page.getByLabel('Sent before on each of').selectOption({ index: -1 + (await page.getByLabel('Sent before on each of').locator('option').count()) })
    await page.getByText('No emitter that sent every day').waitFor()
    expect(problems).toEqual([])
    await close()
  })

  test('the audit log shows a change with its subject and hash, and only entries of an action that is chosen', async () => {
    const { page, problems, close } = await open('#/audit-log')
    const [entry] = (await tested.client.admin('GET', '/admin/v1/audit-log?action=partner.create')).body.entries
    const row = page.getByRole('row', { name: /partner\.create/ })
    await row.getByText(partner.partnerId).waitFor()
    expect(await row.textContent()).toContain(entry.hash.slice(0, 8))
    await row.getByRole('button', { name: 'partner.create' }).click()
    await expect.poll(() => page.getByRole('row').count()).toBe(2)
    await page.getByRole('button', { name: 'Show all' }).click()
    await page.getByRole('row', { name: /project\.register/ }).waitFor()
    expect(problems).toEqual([])
    await close()
  })

  test('an export that is downloaded has the bytes of the API; its totals are shown to the last digit, also without the file', async () => {
    const [from, to] = [dayOf(Date.now() - 30 * MS_PER_DAY), dayOf(Date.now())]
    const { page, problems, close } = await open('#/exports')
    await page.getByRole('radio', { name: /Usage of days/ }).check()
    await page.getByLabel('First day').fill(from)
    await page.getByRole('button', { name: 'Show the totals only' }).click()
    await page.getByRole('cell', { name: '7.000000007' }).waitFor()
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download', exact: true }).click()])
    const expected = await fetch(`${tested.service.url}/admin/v1/exports?from=${from}&to=${to}&format=csv&guard=on&bom=false`, {
      headers: { authorization: `Bearer ${tested.service.adminToken}` },
    })
    const saved = readFileSync((await download.path()) ?? '', 'utf8')
    expect(withoutAsOf(saved)).toBe(withoutAsOf(await expected.text()))
    expect(saved).toContain('7.000000007')
    expect(problems).toEqual([])
    await close()
  })

  test('the service logs show a request with its fields, and only lines of the level that is chosen', async () => {
    await tested.client.admin('GET', '/admin/v1/partners/unknown')
    const { page, problems, close } = await open('#/service-logs?source=api')
    const row = page.getByRole('row', { name: /PARTNER_NOT_FOUND/ }).first()
    await row.getByText('/admin/v1/partners/:partnerId').waitFor()
    await page.getByLabel('Level').selectOption('fatal')
    await page.getByText('Choose a lower level to see more.').waitFor()
    expect(problems).toEqual([])
    await close()
  })
})

/** The column of the time until which usage is complete differs between two exports. */
function withoutAsOf(csv: string): string {
  return csv.replaceAll(/\d{4}-\d{2}-\d{2}T[\d:.]+Z/g, '')
}
