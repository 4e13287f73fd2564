import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HAS_CHROMIUM, TestBrowser } from '../support/clients/browser.ts'
import type { Credentials } from '../support/clients/client.ts'
import { openDashboard, type SignedInAs, shownTotal } from '../support/clients/dashboard.ts'
import { runHere } from '../support/clients/run-here.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const MONTH = '2026-01'
const EXACT = '12345678901234567890123456789.123456789'

describe.skipIf(!HAS_CHROMIUM)('months and statements in the dashboard', () => {
  let tested: TestService
  let browser: TestBrowser
  let partner: Credentials
  let finance: { token: string }
  const temporary = makeTemporaryDirectory()
  beforeAll(async () => {
    tested = await startTestService({ EXPORT_DIR: temporary.path })
    browser = await TestBrowser.open()
    const { client } = tested
    await client.createIngestKey()
    partner = await client.createPartner('Acme')
    await client.billFrom(partner.partnerId, MONTH)
    for (const id of ['shop', 'gone']) await client.registerProject(id, partner.partnerId, { name: `The ${id}` })
    await client.send([
      { event_id: '1', project_id: 'shop', metric: 'ai_credits', value: EXACT, timestamp: `${MONTH}-03T10:00:00Z` },
      { event_id: '2', project_id: 'gone', metric: 'file_storage_bytes', value: '5000', timestamp: `${MONTH}-04T10:00:00Z` },
    ])
    await client.partner(partner, 'DELETE', '/gone')
    finance = { token: (await client.admin('POST', '/admin/v1/tokens', { role: 'finance' })).body.token }
  })
  afterAll(async () => {
    await browser?.close()
    await tested?.stop()
    temporary.remove()
  })

  const open = (as: SignedInAs, at: string) => openDashboard({ browser, url: tested.service.url, as, at })
  const save = async (page: Page, press: string) => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: press, exact: true }).click()])
    const path = join(temporary.path, download.suggestedFilename())
    await download.saveAs(path)
    return path
  }

  test('a deleted project is found by its status, with the day of its deletion', async () => {
    const { page, close } = await open(partner, `#/projects?month=${MONTH}&metric=file_storage_bytes`)
    await page.getByRole('combobox', { name: 'Status' }).selectOption('deleted')
    const row = page.getByRole('row', { name: /The gone/ })
    const today = new Date().toLocaleDateString('en-US', { dateStyle: 'medium', timeZone: 'UTC' })
    await row.getByText(`deleted ${today}`).waitFor()
    await row.getByRole('cell', { name: '5,000' }).first().waitFor()
    expect(await page.getByRole('row', { name: /The shop/ }).count()).toBe(0)
    await close()
  })

  test('P4: finance closes a month after seeing what will be billed; the hash is that of the export, which the partner verifies', async () => {
    const closing = await open(finance, '#/months')
    await closing.page.getByRole('button', { name: /^Close January 2026/ }).click()
    const dialog = closing.page.getByRole('dialog', { name: 'Close January 2026 of Acme' })
    await dialog.getByText('12,345,678,901,234,567,890,123,456,789.123456789').waitFor()
    await dialog.getByText('2 lines of 2 projects, 0 adjustments.').waitFor()
    expect((await tested.client.statement(partner, MONTH)).body.statement.status).toBe('open')
    await dialog.getByRole('button', { name: 'Close January 2026 permanently' }).click()
    await dialog.getByText('January 2026 is closed').waitFor()
    const { sha256 } = (await tested.client.statement(partner, MONTH)).body.statement as { sha256: string }
    await dialog.getByText(sha256).waitFor()
    expect(closing.problems).toEqual([])
    await closing.close()

    const { page, problems, close } = await open(partner, `#/statements/${MONTH}`)
    expect(await shownTotal(page, 'ai_credits')).toBe(EXACT)
    const file = await save(page, 'NDJSON')
    await save(page, 'Save its manifest')
    expect(createHash('sha256').update(readFileSync(file)).digest('hex')).toBe(sha256)
    await page.getByRole('button', { name: 'Check the hash here' }).click()
    await page.getByText('The hash is right').waitFor()
    const env = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: partner.secret, METERLINE_PARTNER_ID: partner.partnerId }
    expect((await runHere(['verify', file, '--offline'], env)).code).toBe(0)
    expect(problems).toEqual([])
    await close()
  })

  test('a closed month stays what it was; what arrives later is shown as unbilled, and a manual adjustment on the next statement', async () => {
    await tested.client.send([{ event_id: 'late', project_id: 'shop', metric: 'ai_credits', value: '2.5', timestamp: `${MONTH}-05T10:00:00Z` }])
    const { page, close } = await open(partner, `#/statements/${MONTH}`)
    expect(await shownTotal(page, 'ai_credits')).toBe(EXACT)
    await page.getByRole('table', { name: 'Totals' }).getByText('2.5 credits').waitFor()
    await close()
    await tested.client.admin('PUT', '/admin/v1/metrics/images', { kind: 'cumulative', unit: 'image', description: 'Images.', display: 'Images' })
    const operator = await open({ token: tested.service.adminToken }, `#/partners/${partner.partnerId}/statements`)
    await operator.page.getByRole('button', { name: 'Add an adjustment…' }).click()
    const dialog = operator.page.getByRole('dialog')
    await dialog.getByRole('combobox').first().selectOption(MONTH)
    await dialog.getByLabel('Metric').selectOption('ai_credits')
    await dialog.getByLabel('Value').fill('-2.5')
    await dialog.getByLabel('Reason').fill('Sent twice, ticket 4711')
    await dialog.getByRole('button', { name: 'Review' }).click()
    await dialog.getByText('The partner pays less on the statement of February 2026').waitFor()
    await dialog.getByText('-2.5 credits').waitFor()
    expect(await dialog.getByLabel('Reason').isVisible()).toBe(false)
    await dialog.getByRole('button', { name: 'Change it' }).click()
    expect(await dialog.getByLabel('Reason').inputValue()).toBe('Sent twice, ticket 4711')
    await dialog.getByRole('button', { name: 'Review' }).click()
    await dialog.getByRole('button', { name: 'Add it to the statement of February 2026' }).click()
    await dialog.getByText('Added to the statement of February 2026').waitFor()
    const { adjustments } = (await tested.client.statement(partner, '2026-02')).body
    expect(adjustments).toEqual(expect.arrayContaining([expect.objectContaining({ kind: 'manual', value: '-2.5', reason: 'Sent twice, ticket 4711' })]))
    await dialog.getByRole('button', { name: 'Close window' }).click()
    await operator.page.getByRole('button', { name: 'Add an adjustment…' }).click()
    await dialog.getByLabel('Metric').selectOption({ label: 'Images (images)' })
    await dialog.getByLabel('Value in images').fill('7.5')
    await dialog.getByLabel('Reason').fill('Not sent')
    await dialog.getByRole('button', { name: 'Review' }).click()
    await dialog.getByText('7.5 images').waitFor()
    await dialog.getByRole('button', { name: 'Add it to the statement of February 2026' }).click()
    await dialog.getByText(/^Images: 7\.5 images for /).waitFor()
    const added = (await tested.client.statement(partner, '2026-02')).body.adjustments
    expect(added).toEqual(expect.arrayContaining([expect.objectContaining({ metric: 'images', kind: 'manual', value: '7.5' })]))
    await operator.close()
  })

  test('months close in order: only the first due month of a partner can be closed, and a reason of the service is shown', async () => {
    const other = await tested.client.createPartner('Behind')
    await tested.client.billFrom(other.partnerId, '2025-12')
    const { page, close } = await open(finance, '#/months')
    await page.getByRole('button', { name: 'Close December 2025 of Behind…' }).click()
    expect(await page.getByRole('button', { name: 'Close January 2026 of Behind…' }).count()).toBe(0)
    await page.getByText('0 lines of 0 projects').waitFor()
    // Billing begins later now, so the month that the page shows has no statement any more.
    await tested.client.billFrom(other.partnerId, MONTH)
    await page.getByRole('button', { name: 'Close December 2025 permanently' }).click()
    await page.getByText('The month was not closed').waitFor()
    await page.getByText('This partner is billed from 2026-01 on; 2025-12 has no statement.').waitFor()
    await close()
  })

  test('finance sees on the page of a month what schedules delivered of it; a partner does not', async () => {
    const { client } = tested
    const definition = { cronSchedule: '0 3 1 1 *', export: { what: 'usage', period: 'this-month', format: 'csv', to: { folder: 'finance' } } }
    const { id } = (await client.admin('POST', '/api/schedules', { name: 'To finance', ...definition })).body
    await client.admin('POST', `/api/schedules/${id}/run`)
    const month = new Date().toISOString().slice(0, 7)
    const listed = async () => (await client.admin('GET', `/admin/v1/deliveries?month=${month}`)).body.deliveries
    await expect.poll(async () => (await listed())[0]?.complete, { timeout: 60_000 }).toBe(true)
    const [{ name, sha256 }] = await listed()
    const { page, problems, close } = await open(finance, `#/partners/${partner.partnerId}/statements/${month}`)
    const row = page.getByRole('table', { name: /^What schedules delivered/ }).getByRole('row', { name: /To finance/ })
    for (const text of ['usage, all partners', 'provisional', `${sha256.slice(0, 12)}…`]) await row.getByText(text).waitFor()
    await row.getByText('Names').click()
    await row.getByText(name).waitFor()
    await page.goto(`${tested.service.url}/#/partners/${partner.partnerId}/statements/${MONTH}`)
    await page.getByText('No schedule has delivered a file of this month.').waitFor()
    expect(problems).toEqual([])
    await close()
    const own = await open(partner, `#/statements/${month}`)
    await own.page.getByRole('heading', { name: 'Download' }).waitFor()
    expect(await own.page.getByRole('heading', { name: 'Deliveries' }).count()).toBe(0)
    expect(own.problems).toEqual([])
    await own.close()
  })

  test('a statement prints as a document: its address and hash, and no controls', async () => {
    const { page, close } = await open(partner, `#/statements/${MONTH}`)
    await page.getByRole('heading', { name: 'Statement of January 2026' }).waitFor()
    await page.emulateMedia({ media: 'print' })
    const { sha256 } = (await tested.client.statement(partner, MONTH)).body.statement as { sha256: string }
    await page.getByText(sha256).filter({ visible: true }).first().waitFor()
    expect(await page.getByText(tested.service.url).filter({ visible: true }).count()).toBeGreaterThan(0)
    expect(await page.getByRole('navigation').first().isVisible()).toBe(false)
    expect(await page.locator('button:visible').count()).toBe(0)
    await close()
  })
})
