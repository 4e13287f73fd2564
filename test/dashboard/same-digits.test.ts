import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { METRICS } from '../../metering/metrics.ts'
import { HAS_CHROMIUM, TestBrowser } from '../support/clients/browser.ts'
import type { Credentials } from '../support/clients/client.ts'
import { digitsOf, openDashboard, shownTotal } from '../support/clients/dashboard.ts'
import { runHere } from '../support/clients/run-here.ts'
import { removeCorrectedRecounts } from '../support/worlds/remove-corrected-recounts.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const MONTH = '2026-01'
/** Two projects whose greatest days differ, with the longest numbers there are. */
const EVENTS = [
  { event_id: '1', project_id: 'a', metric: 'database_size_bytes', value: '12345678901234567890123456789.123456789', timestamp: '2026-01-03T10:00:00Z' },
  { event_id: '2', project_id: 'b', metric: 'database_size_bytes', value: '42345678901234567890123456789.000000001', timestamp: '2026-01-05T10:00:00Z' },
  { event_id: '3', project_id: 'a', metric: 'database_size_bytes', value: '1.5', timestamp: '2026-01-05T11:00:00Z' },
  { event_id: '4', project_id: 'a', metric: 'ai_credits', value: '99999999999999999999999999999.999999999', timestamp: '2026-01-06T10:00:00Z' },
  { event_id: '5', project_id: 'b', metric: 'ai_credits', value: '0.000000001', timestamp: '2026-01-07T10:00:00Z' },
] as const
const EXPECTED = { database_size_bytes: '42345678901234567890123456790.500000001', ai_credits: '100000000000000000000000000000' } as const
/** The sum of both days. */
const BYTE_DAYS = '54691357802469135780246913579.62345679'
const BILLED = Object.keys(EXPECTED) as (keyof typeof EXPECTED)[]

describe.skipIf(!HAS_CHROMIUM)('one figure in five places', () => {
  let tested: TestService
  let browser: TestBrowser
  let partner: Credentials
  beforeAll(async () => {
    tested = await startTestService()
    browser = await TestBrowser.open()
    await tested.client.createIngestKey()
    partner = await tested.client.createPartner('Acme')
    await tested.client.billFrom(partner.partnerId, MONTH)
    for (const id of ['a', 'b']) await tested.client.registerProject(id, partner.partnerId)
    await tested.client.send(EVENTS)
    expect((await tested.client.closeMonth(partner.partnerId, MONTH)).status).toBe(200)
  })
  afterAll(async () => {
    await browser?.close()
    await tested?.stop()
  })

  test('P6: page, command line, API, CSV and statement show the same digits', async () => {
    const open = (at: string) => openDashboard({ browser, url: tested.service.url, as: partner, at })
    const { summary } = (await tested.client.partner(partner, 'GET', '/usage?start_date=2026-01-01&end_date=2026-01-31')).body
    const { totals } = (await tested.client.statement(partner, MONTH)).body as { totals: { metric: string; value: string }[] }
    const csv = (await tested.client.partner(partner, 'GET', `/statements/${MONTH}/export?format=csv`)).text
      .split('\r\n')
      .map((line) => line.split(',').map((cell) => cell.replaceAll('"', '')))
    const column = (name: string) => csv[0]?.indexOf(name) ?? -1
    const env = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: partner.secret, METERLINE_PARTNER_ID: partner.partnerId }
    const usage = await open(`#/usage?month=${MONTH}`)
    const statement = await open(`#/statements/${MONTH}`)
    for (const metric of BILLED) {
      // The command that the card offers, as it is.
      const command = String(
        await usage.page.locator(`#metric-${metric}`).locator('xpath=ancestor::section').getByRole('button', { name: 'Copy as command' }).getAttribute('title'),
      )
      const { stdout } = await runHere(command.split(' ').slice(2), env)
      const lines = csv.filter((line) => line[column('metric')] === metric).map((line) => line[column('value')] ?? '')
      expect({
        page: await shownTotal(usage.page, metric),
        'page of the statement': await shownTotal(statement.page, metric),
        api: summary[METRICS[metric].partnershipName],
        statement: totals.find((total) => total.metric === metric)?.value,
        csv: sumOf(lines),
        'command line': new RegExp(`^│ ${metric}\\b.*?([\\d,]{20,}(?:\\.\\d+)?)`, 'm').exec(stdout)?.[1]?.replaceAll(',', ''),
      }).toEqual(Object.fromEntries(['page', 'page of the statement', 'api', 'statement', 'csv', 'command line'].map((place) => [place, EXPECTED[metric]])))
    }
    const shownByteDays = async ({ page }: { page: Page }) => digitsOf(String(await page.locator('[data-byte-days="database_size_bytes"]').textContent()))
    const { byte_days } = (await tested.client.partner(partner, 'GET', `/statements/${MONTH}?include=byte_days`)).body
    const command = await runHere(['usage', '--month', MONTH, '--byte-days', '--format', 'csv'], env)
    expect({
      page: await shownByteDays(usage),
      'page of the statement': await shownByteDays(statement),
      statement: byte_days[0].value,
      'command line': /^database_size_bytes,byte-day,([^,]+),2,/m.exec(command.stdout)?.[1],
    }).toEqual(Object.fromEntries(['page', 'page of the statement', 'statement', 'command line'].map((place) => [place, BYTE_DAYS])))
    expect([...usage.problems, ...statement.problems]).toEqual([])
    await usage.close()
    await statement.close()
  })

  test('the lines of all projects add up to the total, for the eye and by the button', async () => {
    const { page, close } = await openDashboard({ browser, url: tested.service.url, as: partner, at: `#/projects?month=${MONTH}&metric=database_size_bytes` })
    expect(await shownTotal(page, 'database_size_bytes')).toBe(EXPECTED.database_size_bytes)
    const shares = await page.locator('tbody tr td:nth-child(4)').allTextContents()
    expect(sumOf(shares.map(digitsOf))).toBe(EXPECTED.database_size_bytes)
    await page.getByRole('button', { name: 'Add up all lines' }).click()
    await page.getByText('2 lines add up to 42,345,678,901,234,567,890,123,456,790.500000001 bytes: equal to the total.').waitFor()
    // Events that arrive meanwhile change both, and a refresh reads both.
    const ingestion = {
      event_id: '6',
      project_id: 'a',
      metric: 'database_size_bytes',
      value: '52345678901234567890123456789',
      timestamp: '2026-01-08T10:00:00Z',
    }
    await tested.client.send([ingestion])
    await page.getByRole('button', { name: 'Add up all lines again' }).click()
    await page.getByText('Events that arrived in between change both').waitFor()
    await page.getByRole('button', { name: 'Refresh' }).click()
    await page.getByRole('columnheader', { name: 'On the peak day, Jan 8, 2026' }).waitFor()
    expect(await shownTotal(page, 'database_size_bytes')).toBe(ingestion.value)
    await page.getByRole('button', { name: 'Add up all lines' }).click()
    await page.getByText('2 lines add up to 52,345,678,901,234,567,890,123,456,789 bytes: equal to the total.').waitFor()
    await close()
  })

  test('P6: a statement whose byte-days are not known is shown without them, and says so', async () => {
    expect((await tested.client.closeMonth(partner.partnerId, '2026-02')).body.adjustments).toHaveLength(2)
    await removeCorrectedRecounts(tested.service.clickhouse, partner.partnerId)
    const { page, problems, close } = await openDashboard({ browser, url: tested.service.url, as: partner, at: '#/statements/2026-02' })
    await page.getByText('The sums of the days of this statement are not known').waitFor()
    expect(await page.getByRole('table', { name: 'Adjustments on this statement' }).locator('tbody tr').count()).toBe(2)
    expect(problems).toEqual([])
    await close()
  })
})

/** In billionths, as the oracle does. */
function sumOf(values: readonly string[]): string {
  const billionths = values.map((value) => {
    const [integer = '0', fraction = ''] = value.split('.')
    return BigInt(integer) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
  })
  const digits = billionths
    .reduce((sum, value) => sum + value, 0n)
    .toString()
    .padStart(10, '0')
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`.replace(/\.?0+$/, '')
}
