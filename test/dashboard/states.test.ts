import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HAS_CHROMIUM, TestBrowser } from '../support/clients/browser.ts'
import type { Credentials } from '../support/clients/client.ts'
import { openDashboard, shownTotal } from '../support/clients/dashboard.ts'
import { freePort } from '../support/engines/free-port.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const TIMESTAMP = '2026-01-15T10:00:00Z'

describe.skipIf(!HAS_CHROMIUM)('what the dashboard shows instead of numbers', () => {
  let tested: TestService
  let browser: TestBrowser
  let partner: Credentials
  beforeAll(async () => {
    tested = await startTestService({ PORT: String(await freePort()) })
    browser = await TestBrowser.open()
    await tested.client.createIngestKey()
    partner = await tested.client.createPartner('Acme')
    await tested.client.registerProject('shop', partner.partnerId, { name: 'Shop' })
    await tested.client.send([{ event_id: 'folded', project_id: 'shop', metric: 'mcp_calls', value: '1', timestamp: TIMESTAMP }])
  })
  afterAll(async () => {
    await browser?.close()
    await tested?.stop()
  })

  const open = (at: string, as: Credentials = partner) => openDashboard({ browser, url: tested.service.url, as, at })

  test('without usage the page says how to send the first event, and that command counts', async () => {
    const { page, problems, close } = await open('#/usage')
    await page.getByText('no usage yet: send the first event').waitFor()
    const command = String(await page.locator('pre').textContent())
    const body = /-d '(.*)'$/.exec(command)?.[1] ?? ''
    expect(command).toContain(`${tested.service.url}/v1/events`)
    expect((await tested.client.sendBody(body)).body).toMatchObject({ accepted: '1', rejected: [] })
    expect(problems).toEqual([])
    await close()
  })

  test('a metric without usage is folded, with the number of such metrics', async () => {
    const { page, close } = await open('#/usage?month=2026-01')
    expect(await shownTotal(page, 'mcp_calls')).toBe('1')
    await page.getByText('8 metrics without usage in this period').waitFor()
    await close()
  })

  test('while the answer is read the page says so', async () => {
    const { page, close } = await open('#/projects')
    let answer = () => {}
    const held = new Promise<void>((resolve) => {
      answer = resolve
    })
    await page.route('**/usage?*', async (route) => {
      await held
      await route.continue()
    })
    await page.goto(`${tested.service.url}/#/usage?month=2026-01`)
    await page.getByText('Reading usage…').waitFor()
    answer()
    expect(await shownTotal(page, 'mcp_calls')).toBe('1')
    await close()
  })

  test('a period that the API rejects shows its reason and no number', async () => {
    const { page, close } = await open('#/usage?from=1850-01-01&to=1850-01-02')
    await page.getByRole('alert').getByText('is not a calendar day as YYYY-MM-DD, from').waitFor()
    expect(await page.locator('[data-total]').count()).toBe(0)
    await close()
  })

  test('an impossible period in the URL shows the current month', async () => {
    const month = new Date().toISOString().slice(0, 7)
    for (const at of ['#/usage?month=2026-13', '#/usage?from=2026-02-30&to=2026-03-01', '#/usage?from=2026-03-02&to=2026-03-01', '#/usage?last=9d']) {
      const { page, close } = await open(at)
      expect(await page.getByRole('combobox', { name: 'Period' }).inputValue()).toBe(`month:${month}`)
      await page.getByText('There is no such period as in the address').waitFor()
      await close()
    }
  })

  test('a project whose name is markup is shown as text', async () => {
    const name = '<img src=x onerror="document.title=1">'
    await tested.client.registerProject('markup', partner.partnerId, { name })
    await tested.client.send([{ event_id: 'm', project_id: 'markup', metric: 'ai_tokens', value: '7', timestamp: TIMESTAMP }])
    const { page, problems, close } = await open('#/projects?month=2026-01&metric=ai_tokens')
    await page.getByRole('link', { name, exact: true }).click()
    await page.getByRole('heading', { name, exact: true }).waitFor()
    expect(await page.locator('img').count()).toBe(0)
    expect(problems).toEqual([])
    await close()
  })

  test('numbers stay, marked as not up to date, when the service cannot be reached any more; afterwards they are refreshed', async () => {
    const { page, close } = await open('#/usage?month=2026-01')
    const before = await shownTotal(page, 'mcp_calls')
    const port = new URL(tested.service.url).port
    const { dataDir } = tested
    await tested.service.stop()
    await page.getByRole('button', { name: 'Refresh' }).click()
    await page.getByText('This is not up to date: The service cannot be reached.').waitFor()
    expect(await shownTotal(page, 'mcp_calls')).toBe(before)
    await page.getByRole('combobox', { name: 'Period' }).selectOption({ label: 'Last 7 days' })
    await page.getByRole('alert').getByText('The usage cannot be read right now').waitFor()
    expect(await page.locator('[data-total]').count()).toBe(0)
    const restarted = await startTestService({ DATA_DIR: dataDir, PORT: port })
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByRole('button', { name: 'Refresh' }).waitFor()
    await page.getByRole('combobox', { name: 'Period' }).selectOption('month:2026-01')
    expect(await shownTotal(page, 'mcp_calls')).toBe(before)
    await close()
    tested = { ...restarted, stop: () => restarted.stop() }
  })

  test('P6: an error of the service is shown with its request id, and no number is shown in its place', async () => {
    for (const id of ['1', '2', '3']) {
      await tested.client.registerProject(id, partner.partnerId)
      await tested.client.send([{ event_id: id, project_id: id, metric: 'ai_tokens', value: '7', timestamp: TIMESTAMP }])
    }
    const { page, close } = await open('#/usage')
    await page.getByRole('button', { name: 'Refresh' }).waitFor()
    const port = new URL(tested.service.url).port
    const { dataDir } = tested
    await tested.service.stop()
    const limited = await startTestService({ DATA_DIR: dataDir, PORT: port, READ_ROWS_MAX: '1' })
    tested = { ...limited, stop: () => limited.stop() }
    await page.getByRole('combobox', { name: 'Period' }).selectOption('month:2026-01')
    await page.getByRole('alert').getByText('Request id').waitFor()
    expect(await page.locator('[data-total]').count()).toBe(0)
    await close()
  })
})
