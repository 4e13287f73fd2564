import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HAS_CHROMIUM, TestBrowser } from '../support/clients/browser.ts'
import type { Credentials } from '../support/clients/client.ts'
import { openDashboard, type SignedInAs } from '../support/clients/dashboard.ts'
import { startWebhookReceiver } from '../support/clients/webhook-receiver.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

describe.skipIf(!HAS_CHROMIUM)('schedules, webhooks and thresholds in the dashboard', () => {
  let tested: TestService
  let browser: TestBrowser
  let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
  let partner: Credentials
  beforeAll(async () => {
    tested = await startTestService({ OUTGOING_ALLOW: '127.0.0.0/8' })
    browser = await TestBrowser.open()
    receiver = await startWebhookReceiver()
    partner = await tested.client.createPartner('Acme')
    await tested.client.createIngestKey()
    await tested.client.registerProject('shop', partner.partnerId)
  })
  afterAll(async () => {
    await browser?.close()
    await tested?.stop()
    await receiver?.stop()
  })

  const open = (at: string, as: SignedInAs = { token: tested.service.adminToken }) => openDashboard({ browser, url: tested.service.url, as, at })
  const useOwn = (method: string, path: string, body: object) => tested.client.partner(partner, method, path, JSON.stringify(body))

  test('a schedule is created, its mistakes stand beside their fields, and its runs are listed', async () => {
    const { page, problems, close } = await open('#/schedules')
    await page.getByText('There is no schedule yet.').waitFor()
    await page.getByRole('button', { name: 'Create a schedule…' }).click()
    const dialog = page.getByRole('dialog', { name: 'Create a schedule' })
    await dialog.getByLabel('Name').fill('Sync')
    await dialog.getByLabel('Cron').fill('* * * * * *')
    await dialog.getByLabel('URL', { exact: true }).fill(receiver.url)
    await dialog.getByLabel('Body').fill('{"full": true, "rows": 5}')
    await dialog.getByRole('button', { name: 'Create' }).click()
    await dialog.getByText(/^Cron: .*six fields/).waitFor()
    expect(await dialog.locator('[aria-invalid="true"]').getAttribute('name')).toBe('cronSchedule')
    await dialog.getByLabel('Cron').fill('0 3 1 1 *')
    await dialog.getByRole('button', { name: 'Create' }).click()
    await dialog.waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Run now… Sync' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Run now' }).click()
    await expect.poll(() => receiver.requests.map(({ body }) => String(body)), { timeout: 60_000 }).toEqual(['{"full":true,"rows":5}'])
    await page.getByRole('link', { name: 'Sync' }).click()
    const run = page.getByRole('table', { name: /newest first/ }).getByText('succeeded')
    await expect
      .poll(
        async () => {
          await page.getByRole('button', { name: 'Refresh' }).click()
          return run.count()
        },
        { timeout: 60_000, interval: 300 },
      )
      .toBe(1)
    await page.getByRole('button', { name: 'Edit Sync…' }).click()
    await page.getByRole('dialog').getByLabel('Zone').fill('Europe/Berlin')
    await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click()
    await page.getByText('zone Europe/Berlin').waitFor()
    const { schedules } = (await tested.client.admin('GET', '/api/schedules')).body
    expect(schedules).toMatchObject([{ timezone: 'Europe/Berlin', functionUrl: receiver.url, body: { full: true, rows: '5' } }])
    expect(problems).toEqual([])
    await close()
  })

  test('the secret of a webhook is shown once, and a test message arrives', async () => {
    const { page, problems, close } = await open('#/webhooks')
    await page.getByRole('button', { name: 'Add a webhook…' }).click()
    await page.getByRole('dialog').getByLabel('URL').fill(receiver.url)
    await page.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click()
    const secret = await page.getByLabel('The new signing secret').inputValue()
    expect(secret).toMatch(/^whsec_/)
    await page.getByRole('button', { name: 'Close window' }).click()
    await page.getByLabel('The new signing secret').waitFor({ state: 'detached' })
    expect(await page.content()).not.toContain(secret)
    await page.getByRole('button', { name: /^Send a test…/ }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Send', exact: true }).click()
    await page
      .getByRole('dialog')
      .getByText(/^Delivered, status 200/)
      .waitFor()
    expect(receiver.requests.map(({ body }) => String(body)).filter((body) => body.includes('"webhook.test"'))).toHaveLength(1)
    await page.keyboard.press('Escape')
    await page.getByText('More', { exact: true }).click()
    await page.getByRole('button', { name: /^Change…/ }).click()
    await page.getByRole('dialog').getByLabel('URL').fill(`${receiver.url}/moved`)
    await page.getByRole('dialog').getByLabel('usage.spike').check()
    await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click()
    await page.getByText(`${receiver.url}/moved`).waitFor()
    const { webhooks } = (await tested.client.admin('GET', '/admin/v1/webhooks')).body
    expect(webhooks).toMatchObject([{ url: `${receiver.url}/moved`, events: ['usage.threshold_reached', 'usage.threshold_resolved', 'usage.spike'] }])
    expect(problems).toEqual([])
    await close()
  })

  test('a partner sets a threshold, whose levels are marks on the card of the metric', async () => {
    await tested.client.send([{ event_id: 't1', project_id: 'shop', metric: 'ai_tokens', value: '85.5', timestamp: new Date().toISOString() }])
    const { page, problems, close } = await open('#/notifications', partner)
    await page.getByRole('button', { name: 'Set a threshold…' }).click()
    await page
      .getByRole('dialog')
      .getByLabel(/^Budget/)
      .fill('100')
    await page.getByRole('dialog').getByRole('button', { name: 'Set', exact: true }).click()
    await page.getByRole('table', { name: 'Thresholds' }).getByText('warning: 80 tokens (80 %)').waitFor()
    await page.goto(`${tested.service.url}/#/usage`)
    const marks = page.locator('[data-threshold="ai_tokens"]')
    await marks.getByText(/^warning at 80 tokens: reached on /).waitFor()
    await marks.getByText('used up at 100 tokens: 14.5 tokens left').waitFor()
    expect(await marks.locator('.level-mark').count()).toBe(2)
    await page.goto(`${tested.service.url}/#/usage?last=30d`)
    await page.locator('[data-total="ai_tokens"]').waitFor()
    expect(await marks.count()).toBe(0)
    expect(problems).toEqual([])
    await close()
  })

  test.each([
    ['a partner', '#/notifications', () => ({ path: `/partnership/v1/${partner.partnerId}/thresholds`, as: partner })],
    ['an operator', '#/thresholds', () => ({ path: '/admin/v1/thresholds', as: { token: tested.service.adminToken } })],
  ] as const)('%s changes the levels, the budget and the state of a threshold, and mistakes stand beside their fields', async (_, at, who) => {
    const { path, as } = who()
    const isOwn = 'secret' in as
    const levels = [{ name: 'warning', percent_of_budget: 80 }]
    const created = { metric: 'mcp_calls', per: 'month', levels, budget: '100', ...(isOwn ? {} : { partner_id: partner.partnerId }) }
    const { threshold } = (isOwn ? await useOwn('POST', '/thresholds', created) : await tested.client.admin('POST', path, created)).body
    const stored = async () => {
      const { thresholds } = (isOwn ? await tested.client.partner(partner, 'GET', '/thresholds') : await tested.client.admin('GET', path)).body
      return thresholds.find(({ id }: { id: string }) => id === threshold.id)
    }
    const { page, problems, close } = await open(at, as)
    const change = page.getByRole('button', { name: `Change the threshold of MCP calls, ${threshold.id}…` })
    await change.click()
    const dialog = page.getByRole('dialog', { name: 'Change the threshold of MCP calls' })
    const save = dialog.getByRole('button', { name: 'Save' })
    const alertOf = (hasText: RegExp) => dialog.getByRole('alert').filter({ hasText })
    await dialog.getByLabel(/^Budget/).fill('12,5')
    await save.click()
    await alertOf(/^Budget per month.*: budget must be a decimal/).waitFor()
    expect(await dialog.locator('[aria-invalid="true"]').getAttribute('name')).toBe('budget')
    await dialog.getByLabel(/^Budget/).fill('')
    await save.click()
    await alertOf(/^Budget per month.*: is missing, and a level is a percentage of it/).waitFor()
    await dialog.getByRole('button', { name: 'Add a level' }).click()
    await dialog.getByLabel('Name of level 2').fill('warning')
    await dialog.getByLabel('Level 2 is reached at').fill('5')
    await dialog.getByLabel(/^Budget/).fill('250.5')
    await dialog.getByLabel('Level 2 is reached at').fill('five')
    await save.click()
    await alertOf(/^Level 2: value must be a decimal of at most 29 integer/).waitFor()
    expect(await dialog.locator('[aria-invalid="true"]').inputValue()).toBe('five')
    await dialog.getByLabel('Level 2 is reached at').fill('5')
    await save.click()
    await alertOf(/^Levels: must have a different name for each level/).waitFor()
    expect(await stored()).toEqual(threshold)
    await dialog.getByLabel('Name of level 2').fill('much')
    await dialog.getByLabel('Level 2 is reached at').fill('240.25')
    await dialog.getByLabel('Active').uncheck()
    await save.click()
    await dialog.waitFor({ state: 'detached' })
    const row = page.getByRole('row').filter({ has: change })
    await row.getByText('much: 240.25 calls').waitFor()
    await row.getByText('not active', { exact: true }).waitFor()
    const changed = [
      { name: 'warning', percent_of_budget: '80' },
      { name: 'much', value: '240.25' },
    ]
    expect(await stored()).toMatchObject({ levels: changed, budget: '250.5', active: false })
    await change.click()
    await dialog.getByLabel('Active').check()
    await save.click()
    await row.getByText('not active', { exact: true }).waitFor({ state: 'detached' })
    expect(await stored()).toMatchObject({ levels: changed, budget: '250.5', active: true })
    expect(problems).toEqual([])
    await close()
  })

  test('a token of a partner may not use notifications, and the page says what to do', async () => {
    const { token } = (await useOwn('POST', '/tokens', {})).body
    const { page, close } = await open('#/notifications', { token })
    await page.getByText('Not allowed with a token').waitFor()
    await page.getByRole('link', { name: 'Usage', exact: true }).click()
    await page.locator('[data-total="ai_tokens"]').waitFor()
    expect(await page.locator('[data-threshold]').count()).toBe(0)
    await close()
  })
})
