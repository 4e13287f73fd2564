import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkDefinition } from '../../automation/schedules/check-definition.ts'
import type { ExportAction } from '../../contract/schedules.ts'
import { NO_NETWORKS } from '../../outgoing/public-address.ts'
import { HAS_CHROMIUM, TestBrowser } from '../support/clients/browser.ts'
import { openDashboard } from '../support/clients/dashboard.ts'
import { untilSo } from '../support/until-so.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const WHAT = ['usage', 'statements', 'focus'] as const
const PERIODS = ['last-month', 'this-month', 'yesterday'] as const
const FORMATS = ['csv', 'json', 'ndjson', 'parquet', 'xlsx'] as const

describe.skipIf(!HAS_CHROMIUM)('schedules in the dashboard', () => {
  let tested: TestService
  let browser: TestBrowser
  beforeAll(async () => {
    tested = await startTestService({ OUTGOING_ALLOW: '127.0.0.0/8' })
    browser = await TestBrowser.open()
  })
  afterAll(async () => {
    await browser?.close()
    await tested?.stop()
  })

  const open = (at: string, width = 1280) =>
    openDashboard({ browser, url: tested.service.url, as: { token: tested.service.adminToken }, at, options: { viewport: { width, height: 900 } } })
  const create = (fields: object) => tested.client.admin('POST', '/api/schedules', { name: 'Sync', cronSchedule: '0 3 1 1 *', ...fields })

  test('a mistake in a field is not shown any more when the form is switched to another kind of schedule', async () => {
    const { page, problems, close } = await open('#/schedules')
    await page.getByRole('button', { name: 'Create a schedule…' }).click()
    const dialog = page.getByRole('dialog', { name: 'Create a schedule' })
    await dialog.getByLabel('Name').fill('Sync')
    await dialog.getByLabel('Cron').fill('0 3 1 1 *')
    await dialog.getByLabel('URL', { exact: true }).fill('https://functions.example.com/sync')
    await dialog.getByLabel('Body').fill('{"full": ')
    await dialog.getByRole('button', { name: 'Create' }).click()
    await dialog.getByText('is not JSON').waitFor()
    await dialog.getByLabel('Deliver an export').check()
    await dialog.getByLabel('What', { exact: true }).waitFor()
    expect(await dialog.getByText('is not JSON').count()).toBe(0)
    expect(problems).toEqual([])
    await close()
  })

  test('the form of an export offers exactly what the service accepts together', async () => {
    const { page, problems, close } = await open('#/schedules')
    await page.getByRole('button', { name: 'Create a schedule…' }).click()
    const dialog = page.getByRole('dialog', { name: 'Create a schedule' })
    await dialog.getByLabel('Deliver an export').check()
    for (const what of WHAT) {
      await dialog.getByLabel('Period').selectOption('last-month')
      await dialog.getByLabel('What', { exact: true }).selectOption(what)
      const offered = async (label: string) => await dialog.getByLabel(label).locator('option').allTextContents()
      const [periods, formats] = [await offered('Period'), await offered('Format')]
      const hasVersion = (await dialog.getByLabel('Version of FOCUS').count()) === 1
      const first = { period: 'last-month', format: 'csv' } as const
      const accepted = [
        ...PERIODS.filter((period) => isAccepted({ what, ...first, period })),
        ...FORMATS.filter((format) => isAccepted({ what, ...first, format })),
        ...(isAccepted({ what, ...first, focus: '1.2' }) ? ['a version'] : []),
      ]
      expect([what, ...accepted]).toEqual([what, ...periods, ...formats, ...(hasVersion ? ['a version'] : [])])
    }
    await dialog.getByLabel('What', { exact: true }).selectOption('usage')
    await dialog.getByLabel('Period').selectOption('yesterday')
    await dialog.getByLabel('What', { exact: true }).selectOption('focus')
    expect(await dialog.getByLabel('Period').inputValue()).toBe('last-month')
    expect(await dialog.getByLabel('Headers').count()).toBe(0)
    await dialog.getByLabel('An https URL').check()
    await dialog.getByLabel('Headers').fill('x-own: yes')
    await dialog.getByLabel('Name').fill('Focus')
    await dialog.getByLabel('Cron').fill('0 3 1 1 *')
    await dialog.getByLabel('URL of the objects').fill('https://objects.example.com/{name}')
    await dialog.getByRole('button', { name: 'Create' }).click()
    await dialog.waitFor({ state: 'detached' })
    const { schedules } = (await tested.client.admin('GET', '/api/schedules')).body
    const [{ id, ...created }] = schedules
    expect(created).toMatchObject({ headers: { 'x-own': 'yes' }, export: { what: 'focus', period: 'last-month', format: 'csv' } })
    await tested.client.admin('DELETE', `/api/schedules/${id}`)
    expect(problems).toEqual([])
    await close()
  })

  describe('a schedule whose runs fail', () => {
    let id: string
    beforeAll(async () => {
      await tested.client.admin('POST', '/api/secrets', { key: 'GONE', value: 'for a while' })
      const headers = { authorization: 'Bearer $' + '{{secrets.GONE}}' }
      id = (await create({ name: 'Failing sync', functionUrl: 'https://functions.example.com/sync', headers })).body.id
      await tested.client.admin('DELETE', '/api/secrets/GONE')
      await tested.client.admin('POST', `/api/schedules/${id}/run`)
      await untilSo(async () => (await tested.client.admin('GET', `/api/schedules/${id}`)).body.lastSuccess === false)
    })

    test('is shown as failed in the list, with the reason, and its row is compact at 1280 px', async () => {
      const { page, problems, close } = await open('#/schedules')
      const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'Failing sync' }) })
      await row.getByText('failed', { exact: true }).waitFor()
      await row.getByText(/GONE/).waitFor()
      expect(await row.getByRole('button').count()).toBe(1)
      expect((await row.boundingBox())?.height).toBeLessThan(125)
      await page.getByRole('link', { name: 'Failing sync' }).click()
      for (const name of ['Run now… Failing sync', 'Edit Failing sync…', 'Pause Failing sync…', 'Delete Failing sync…'])
        await page.getByRole('button', { name }).waitFor()
      expect(problems).toEqual([])
      await close()
    })

    test.each([1280, 1440, 400])('has a table of runs that fits its box at %i px, with times in at most two lines', async (width) => {
      const { page, problems, close } = await open(`#/schedules/${id}`, width)
      const table = page.getByRole('table', { name: /newest first/ })
      await table.getByText('failed', { exact: true }).waitFor()
      expect(await page.evaluate(`${BOX}.scrollWidth - ${BOX}.clientWidth`)).toBeLessThanOrEqual(0)
      expect(await page.evaluate(LINES_OF_FIRST_TIME)).toBeLessThanOrEqual(2)
      expect(problems).toEqual([])
      await close()
    })
  })
})

const BOX = 'document.querySelector(".runs .table")'
const LINES_OF_FIRST_TIME = `(() => {
  const text = document.createRange()
  text.selectNodeContents(${BOX}.querySelector('tbody th'))
  return new Set([...text.getClientRects()].map(({ top }) => top)).size
})()`

/** By the rules of the service. */
function isAccepted(action: Omit<ExportAction, 'to'>): boolean {
  const timing = { cronSchedule: '0 3 1 1 *', timezone: 'UTC' }
  const called = { functionUrl: null, httpMethod: 'POST', headers: {}, body: null } as const
  const definition = { ...timing, ...called, export: { ...action, to: { url: 'https://objects.example.com/' } } }
  return checkDefinition(definition, { allowed: NO_NETWORKS, exportDir: undefined }) === undefined
}
