import axe, { type AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HAS_CHROMIUM, TestBrowser } from '../support/clients/browser.ts'
import type { Credentials } from '../support/clients/client.ts'
import { openDashboard } from '../support/clients/dashboard.ts'
import { makeSpikes } from '../support/worlds/make-spikes.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const MONTH = '2026-01'
const PARTNER_PAGES = ['usage', `usage?month=${MONTH}`, `projects?month=${MONTH}`, `projects/shop?month=${MONTH}`, 'statements', `statements/${MONTH}`]
const OWN_PAGES = ['spikes', 'notifications']
const ADMIN_PAGES = [
  'months',
  'partners',
  'exports',
  'health',
  'service-logs',
  'rejected',
  'unregistered',
  'silent',
  'audits',
  'secrets',
  'schedules',
  'webhooks',
  'thresholds',
  'spikes',
  'credentials',
  'audit-log',
]
const WIDTHS = [1440, 320]
const HEIGHT = 900

describe.skipIf(!HAS_CHROMIUM)('the dashboard for everybody', () => {
  let tested: TestService
  let browser: TestBrowser
  let partner: Credentials
  let scheduleId: string
  beforeAll(async () => {
    tested = await startTestService()
    browser = await TestBrowser.open()
    const { client } = tested
    await client.createIngestKey()
    partner = await client.createPartner('Acme')
    await client.billFrom(partner.partnerId, MONTH)
    for (const id of ['shop', 'gone', 'paused']) await client.registerProject(id, partner.partnerId)
    const event = (id: string, project: string, metric: string, value: string) => ({
      ...{ event_id: id, project_id: project, metric, value },
      timestamp: `2026-01-0${id}T10:00:00Z`,
    })
    await client.send([
      event('1', 'shop', 'database_size_bytes', '12345678901234567890123456789.123456789'),
      event('2', 'gone', 'ai_tokens', '12'),
      event('3', 'paused', 'ai_credits', '0.5'),
      event('4', 'nobodys', 'ai_tokens', '7'),
      event('5', 'shop', 'ai_token', '7'),
    ])
    await client.partner(partner, 'DELETE', '/gone')
    await client.partner(partner, 'POST', '/paused/pause', '{}')
    await client.closeMonth(partner.partnerId, MONTH)
    await client.send([event('6', 'shop', 'ai_tokens', '3')])
    await client.call('POST', '/api/secrets', {
      headers: { authorization: `Bearer ${tested.service.adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ key: 'STRIPE_API_KEY', value: 'sk_test' }),
    })
    const { body: schedule } = await client.admin('POST', '/api/schedules', {
      name: 'Nightly sync',
      cronSchedule: '0 3 1 1 *',
      functionUrl: 'https://functions.example.com/sync',
    })
    scheduleId = schedule.id
    const webhook = { url: 'https://hooks.example.com/meterline', events: ['usage.spike'] }
    const threshold = { metric: 'ai_tokens', per: 'month', levels: [{ name: 'warning', value: '1000' }] }
    await client.admin('POST', '/admin/v1/webhooks', webhook)
    await client.partner(partner, 'POST', '/webhooks', JSON.stringify(webhook))
    await client.admin('POST', '/admin/v1/thresholds', { ...threshold, partner_id: partner.partnerId })
    await client.partner(partner, 'POST', '/thresholds', JSON.stringify(threshold))
    await client.registerProject('spiking-project', partner.partnerId)
    await makeSpikes(tested, { 'spiking-project': '12345678901234567890123456789.123456789' })
    await client.send([{ event_id: '7', project_id: 'shop', metric: 'ai_tokens', value: '3', timestamp: new Date().toISOString() }])
  })
  afterAll(async () => {
    await browser?.close()
    await tested?.stop()
  })

  test('every page passes axe and fits the screen, in light and dark, at 1440 and at 320 px', async () => {
    const found: string[] = []
    const signIn = await browser.openPage(`${tested.service.url}/`)
    found.push(...(await findingsInEveryLook(signIn.page, 'sign in')))
    await signIn.close()
    const visits = [
      { as: partner, pages: [...PARTNER_PAGES, ...OWN_PAGES] },
      {
        as: { token: tested.service.adminToken },
        pages: [...ADMIN_PAGES, `schedules/${scheduleId}`, ...PARTNER_PAGES.map((page) => `partners/${partner.partnerId}/${page}`)],
      },
    ]
    for (const { as, pages } of visits) {
      const { page, problems, close } = await openDashboard({ browser, url: tested.service.url, as })
      for (const each of pages) {
        await page.goto(`${tested.service.url}/#/${each}`)
        await drawn(page)
        await page.locator('main h1').first().waitFor()
        await page.locator('.loading').first().waitFor({ state: 'detached' })
        found.push(...(await findingsInEveryLook(page, each)))
      }
      found.push(...problems)
      await close()
    }
    expect(found).toEqual([])
  }, 240_000)

  test('dialogs pass axe', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page, close } = await openDashboard({ browser, url: tested.service.url, as: partner, at: `#/usage?month=${MONTH}`, options: { colorScheme } })
      await page.getByRole('button', { name: 'Explain' }).first().click()
      await page.getByText('The peak was reached on').waitFor()
      expect(await findings(page, 'explanation')).toEqual([])
      await close()
      const as = { token: tested.service.adminToken }
      const admin = await openDashboard({ browser, url: tested.service.url, as, at: '#/schedules', options: { colorScheme } })
      for (const [path, button] of [
        ['schedules', 'Create a schedule…'],
        ['webhooks', 'Add a webhook…'],
        ['thresholds', 'Set a threshold…'],
      ] as const) {
        await admin.page.goto(`${tested.service.url}/#/${path}`)
        await admin.page.getByRole('button', { name: button }).click()
        expect(await findings(admin.page, button)).toEqual([])
        await admin.page.keyboard.press('Escape')
      }
      await admin.page.getByRole('button', { name: /^Change the threshold/ }).click()
      expect(await findings(admin.page, 'change a threshold')).toEqual([])
      await admin.page.keyboard.press('Escape')
      await admin.page.goto(`${tested.service.url}/#/spikes`)
      await admin.page.getByText('8 weekdays').click()
      expect(await findings(admin.page, 'the numbers of a spike')).toEqual([])
      await admin.close()
    }
  })
})

/** Until a new address is drawn, the heading is that of the page before. */
async function drawn(page: Page): Promise<void> {
  await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))')
}

async function findingsInEveryLook(page: Page, name: string): Promise<string[]> {
  const found: string[] = []
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: HEIGHT })
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await drawn(page)
      // Nothing but colours depends on the scheme.
      found.push(...(await findings(page, `${name}, ${width} px, ${colorScheme}`, colorScheme === 'dark' ? ['color-contrast'] : undefined)))
    }
  }
  return found
}

/** What axe finds, and whether the page is wider than the screen. `rules`: only these. */
async function findings(page: Page, name: string, rules?: readonly string[]): Promise<string[]> {
  if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(axe.source)
  const options = rules === undefined ? {} : { runOnly: rules }
  const { violations } = (await page.evaluate(`axe.run(${JSON.stringify(options)})`)) as AxeResults
  const wide = await page.evaluate('document.documentElement.scrollWidth > innerWidth')
  const found = violations.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${name}: ${id} (${help}): ${html.slice(0, 200)}`))
  return wide === true ? [...found, `${name}: is wider than the screen`] : found
}
