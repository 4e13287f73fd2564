import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HAS_CHROMIUM, TestBrowser } from '../support/clients/browser.ts'
import type { Credentials } from '../support/clients/client.ts'
import { openDashboard, type SignedInAs } from '../support/clients/dashboard.ts'
import { makeSpikes } from '../support/worlds/make-spikes.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

describe.skipIf(!HAS_CHROMIUM)('spikes in the dashboard', () => {
  let tested: TestService
  let browser: TestBrowser
  let partner: Credentials
  let other: Credentials
  let day: string
  beforeAll(async () => {
    tested = await startTestService()
    browser = await TestBrowser.open()
    const { client } = tested
    await client.createIngestKey()
    partner = await client.createPartner('Acme')
    other = await client.createPartner('Other')
    for (const project of ['shop', 'blog']) await client.registerProject(project, partner.partnerId)
    await client.registerProject('theirs', other.partnerId)
    day = await makeSpikes(tested, { shop: '9007199254740993.000000001', blog: '0', theirs: '800000' })
  })
  afterAll(async () => {
    await browser?.close()
    await tested?.stop()
  })

  const open = (at: string, as: SignedInAs) => openDashboard({ browser, url: tested.service.url, as, at })
  const showDay = (date: string) => new Intl.DateTimeFormat('en-US', { dateStyle: 'medium', timeZone: 'UTC' }).format(new Date(date))

  test('a partner sees its own, each with its value beside the median, and a link to the usage of the project', async () => {
    const { page, problems, close } = await open('#/spikes', partner)
    const row = page.getByRole('row').filter({ hasText: 'shop' })
    await row.waitFor()
    const cells = await row.getByRole('cell').allTextContents()
    expect([await row.getByRole('rowheader').textContent(), ...cells.slice(0, 5)]).toEqual([
      showDay(day),
      'shop',
      'AI tokens ai_tokens',
      '▲ up',
      '9,007,199,254,740,993.000000001 tokens',
      '200,004.5',
    ])
    expect(await page.getByRole('row').filter({ hasText: 'blog' }).textContent()).toContain('▼ down')
    await row.getByText('8 weekdays').click()
    await row.getByText('Same weekdays: 200,001; 200,002; 200,003; 200,004; 200,005; 200,006; 200,007; 200,008').waitFor()
    expect(await page.getByText('theirs').count()).toBe(0)
    await row.getByRole('link', { name: 'shop' }).click()
    await page.locator('[data-total="ai_tokens"]').waitFor()
    expect(new URL(page.url()).hash).toBe(`#/projects/shop?month=${day.slice(0, 7)}`)
    expect(problems).toEqual([])
    await close()
  })

  test('the list is filtered by project and metric, and an unknown project is said to be unknown', async () => {
    const { page, close } = await open('#/spikes', partner)
    await page.getByLabel('Project id').fill('blog')
    await page.getByRole('button', { name: 'Filter' }).click()
    await page.getByRole('row').filter({ hasText: 'shop' }).waitFor({ state: 'detached' })
    await page.getByRole('row').filter({ hasText: 'blog' }).waitFor()
    await page.getByLabel('Metric').selectOption('egress_bytes')
    await page.getByRole('button', { name: 'Filter' }).click()
    await page.getByText('There is no such spike.').waitFor()
    await page.getByLabel('Project id').fill('theirs')
    await page.getByRole('button', { name: 'Filter' }).click()
    await page.getByText(/Project not found/).waitFor()
    await page.getByRole('button', { name: 'Show all' }).click()
    await page.getByRole('row').filter({ hasText: 'shop' }).waitFor()
    await close()
  })

  test('a token of a partner sees them too; finance sees those of all partners and reaches their projects', async () => {
    const { token } = (await tested.client.partner(partner, 'POST', '/tokens', '{}')).body
    const ofPartner = await open('#/spikes', { token })
    await ofPartner.page.getByRole('row').filter({ hasText: 'shop' }).waitFor()
    await ofPartner.close()
    const finance = (await tested.client.admin('POST', '/admin/v1/tokens', { role: 'finance' })).body.token
    const { page, problems, close } = await open('#/months', { token: finance })
    await page.getByRole('link', { name: 'Spikes' }).click()
    await page.getByRole('row').filter({ hasText: 'shop' }).waitFor()
    await page.getByLabel('Partner id').fill(other.partnerId)
    await page.getByRole('button', { name: 'Filter' }).click()
    await page.getByRole('row').filter({ hasText: 'shop' }).waitFor({ state: 'detached' })
    await page.getByRole('link', { name: 'theirs' }).click()
    await page.locator('[data-total="ai_tokens"]').waitFor()
    expect(new URL(page.url()).hash).toBe(`#/partners/${other.partnerId}/projects/theirs?month=${day.slice(0, 7)}`)
    expect(problems).toEqual([])
    await close()
  })

  test('a projection that is not above what is used says so, and names no mean', async () => {
    const now = new Date()
    await tested.client.registerProject('sudden', partner.partnerId)
    await tested.client.send([{ event_id: 'sudden', project_id: 'sudden', metric: 'ai_tokens', value: '2120000', timestamp: now.toISOString() }])
    const { page, problems, close } = await open('#/projects/sudden', partner)
    await page.locator('[data-total="ai_tokens"]').waitFor()
    const projection = page.getByText(/^Projected for the end of the month: /)
    // Nothing is projected on the first day of a month.
    if (now.getUTCDate() === 1) expect(await projection.count()).toBe(0)
    else {
      await projection.waitFor()
      expect(await projection.textContent()).toMatch(/2\.12 M tokens \(what is used already; never billed\)$/)
    }
    expect(problems).toEqual([])
    await close()
  })

  test('the projection on the page of a project is the one of the API, is labelled as such, and is only shown in the current month', async () => {
    const today = new Date().toISOString()
    await tested.client.send([{ event_id: 'now', project_id: 'blog', metric: 'ai_tokens', value: '12.5', timestamp: `${today.slice(0, 7)}-01T00:00:00Z` }])
    const { code } = (await tested.client.partner(partner, 'POST', '/blog/authorization', '{}')).body
    for (const [at, as] of [
      ['#/projects/blog', partner],
      ['#/project', { token: code }],
    ] as const) {
      const { page, problems, close } = await open(at, as)
      const projection = page.getByText(/^Projected for the end of the month: /)
      const total = page.locator('[data-total="ai_tokens"]')
      await total.waitFor()
      const { projected } = (await tested.client.partner(partner, 'GET', '/blog/usage/projection')).body
      // Nothing is projected on the first day of a month.
      if (projected.total_ai_tokens === null) expect(await projection.count()).toBe(0)
      else {
        await projection.waitFor()
        const exact = new Intl.NumberFormat('en-US', { maximumFractionDigits: 9 }).format(projected.total_ai_tokens.value)
        expect(await projection.getAttribute('title')).toBe(`${exact} tokens`)
        expect(await projection.textContent()).toMatch(/\(the mean of \d+ complete days?, times the days of the month; never billed\)$/)
      }
      expect(await total.textContent()).not.toContain('Projected')
      await page.goto(`${tested.service.url}/${at}?last=30d`)
      await total.waitFor()
      await projection.waitFor({ state: 'detached' })
      expect(problems).toEqual([])
      await close()
    }
  })
})
