import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { METRIC_NAMES } from '../../metering/metrics.ts'
import { HAS_CHROMIUM, TestBrowser, type TestPage } from '../support/clients/browser.ts'
import type { Credentials, TestEvent } from '../support/clients/client.ts'
import { digitsOf, openDashboard, shownTotal } from '../support/clients/dashboard.ts'
import { DEFINED_METRICS, defineTestedMetrics, kindOfTested, labelMetrics, withValueOfKind } from '../support/oracles/defined-metrics.ts'
import { Oracle } from '../support/oracles/oracle.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
const SEEDS = [SEED, SEED + 1, SEED + 2]

/** Of any length that an event may have: 29 integer and 9 fraction digits. */
const quantity = fc.oneof(
  fc
    .tuple(fc.bigInt({ min: 0n, max: 10n ** 29n - 1n }), fc.integer({ min: 1, max: 999_999_999 }))
    .map(([whole, part]) => `${whole}.${String(part).padStart(9, '0')}`),
  fc.integer({ min: 0, max: 1_000_000 }).map(String),
)
const PROJECTS = ['a', 'b', 'c']
const SHOWN = [...METRIC_NAMES, ...DEFINED_METRICS.map(({ metric }) => metric)]
const events = (prefix: string) =>
  fc.array(
    fc
      .record({
        event_id: fc.uuid(),
        project_id: fc.constantFrom(...PROJECTS.map((name) => `${prefix}-${name}`)),
        metric: fc.constantFrom(...SHOWN),
        value: quantity,
        timestamp: fc.integer({ min: 0, max: 58 * 86_400_000 }).map((ms) => new Date(Date.UTC(2026, 0, 1) + ms).toISOString()),
      })
      .map(withValueOfKind),
    { minLength: 150, maxLength: 250 },
  )

describe.skipIf(!HAS_CHROMIUM)('the page of usage', () => {
  let tested: TestService
  let browser: TestBrowser
  let opened: TestPage | undefined
  beforeAll(async () => {
    tested = await startTestService()
    await tested.client.createIngestKey()
    await defineTestedMetrics(tested.client)
    browser = await TestBrowser.open()
  })
  afterAll(async () => {
    await browser?.close()
    await tested?.stop()
  })

  const open = async (as: Credentials, at: string) => {
    await opened?.close()
    opened = await openDashboard({ browser, url: tested.service.url, as, at })
    return opened
  }

  test.each(SEEDS)('P6: every total and every day on screen is that of the oracle, to the last digit (seed %i)', async (seed) => {
    const prefix = `seed${seed}`
    const partner = await tested.client.createPartner(prefix)
    for (const name of PROJECTS) await tested.client.registerProject(`${prefix}-${name}`, partner.partnerId)
    const [sent = []] = fc.sample(events(prefix), { seed, numRuns: 1 })
    expect((await tested.client.send(sent)).body.accepted).toBe(String(sent.length))
    await tested.client.partner(partner, 'DELETE', `/${prefix}-c`)
    const oracle = new Oracle()
    oracle.add(sent as TestEvent[])
    const ids = PROJECTS.map((name) => `${prefix}-${name}`)
    const { page, problems } = await open(partner, '#/usage?month=2026-01')
    for (const metric of SHOWN) {
      const kind = kindOfTested(metric)
      const expected = oracle.partnership(ids, '2026-01-01', '2026-01-31', metric)
      if (expected === '0') continue
      expect([metric, await shownTotal(page, metric)]).toEqual([metric, expected])
      const card = page.getByRole('region', { name: String(await page.locator(`#metric-${metric}`).textContent()) })
      await card.getByText('Days as a table').click()
      const rows = await card.getByRole('row').all()
      for (const row of rows.slice(1)) {
        const shown = String(await row.getByRole('rowheader').textContent())
        const day = new Date(`${shown.replace(' peak', '')} UTC`).toISOString().slice(0, 10)
        const value = digitsOf(String(await row.getByRole('cell').textContent()))
        expect([day, value]).toEqual([day, oracle.partnership(ids, day, day, metric)])
        if (shown.endsWith('peak')) expect([kind, value]).toEqual(['peak', expected])
      }
      expect(await card.getByText('peak', { exact: true }).count()).toBe(kind === 'peak' ? 1 : 0)
    }
    // A deleted project keeps its numbers.
    await page.goto(`${tested.service.url}/#/projects/${prefix}-c?month=2026-02`)
    await page.getByRole('heading', { name: `${prefix}-c` }).waitFor()
    for (const metric of SHOWN) {
      const expected = oracle.project(`${prefix}-c`, '2026-02-01', '2026-02-28', metric)
      if (expected !== '0') expect([metric, await shownTotal(page, metric)]).toEqual([metric, expected])
    }
    await page.getByText(/^deleted /).waitFor()
    expect(problems).toEqual([])
  })

  test('P6: usage by a label that is chosen has every group with all its digits, of the partner and of a project', async () => {
    const partner = await tested.client.createPartner('Labelled')
    for (const id of ['labelled-a', 'labelled-b']) await tested.client.registerProject(id, partner.partnerId)
    await labelMetrics(tested.client, ['images', 'seats'], ['model'])
    const event = (event_id: string, project_id: string, metric: string, value: string, labels = {}) => ({
      ...{ event_id, project_id, metric, value, labels, timestamp: '2026-01-05T10:00:00Z' },
    })
    await tested.client.send([
      event('1', 'labelled-a', 'images', '12345678901234567890.000000001', { model: 'large' }),
      event('2', 'labelled-a', 'images', '3'),
      event('3', 'labelled-b', 'images', '1', { model: 'large' }),
      event('4', 'labelled-b', 'seats', '7', { model: 'large' }),
    ])
    const { page, problems } = await open(partner, '#/usage?month=2026-01')
    const shown = async (group: string) => digitsOf(String(await page.locator(`[data-group="${group}"]`).textContent()))
    await page.getByLabel('Usage by label').selectOption('model')
    expect(await shown('images large')).toBe('12345678901234567891.000000001')
    expect([await shown('images '), await shown('seats large')]).toEqual(['3', '7'])
    await page.getByText('they do not add up').waitFor()
    await page.goto(`${tested.service.url}/#/projects/labelled-b?month=2026-01`)
    await page.getByRole('heading', { name: 'labelled-b' }).waitFor()
    await page.getByLabel('Usage by label').selectOption('model')
    expect(await shown('images large')).toBe('1')
    expect(problems).toEqual([])
  })
})
