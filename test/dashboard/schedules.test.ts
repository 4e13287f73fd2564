import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HAS_CHROMIUM, TestBrowser } from '../support/clients/browser.ts'
import { openDashboard } from '../support/clients/dashboard.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const PERIODS = ['last-month', 'this-month', 'yesterday']
const FORMATS = ['csv', 'json', 'ndjson', 'parquet', 'xlsx']

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
    const isAccepted = async (action: object) => {
      const { status, body } = await create({ export: { ...action, to: { url: 'https://objects.example.com/' } } })
      if (status === 201) await tested.client.admin('DELETE', `/api/schedules/${body.id}`)
      return status === 201
    }
    for (const what of ['usage', 'statements', 'focus']) {
      await dialog.getByLabel('Period').selectOption('last-month')
      await dialog.getByLabel('What', { exact: true }).selectOption(what)
      const offered = async (label: string) => await dialog.getByLabel(label).locator('option').allTextContents()
      const [periods, formats] = [await offered('Period'), await offered('Format')]
      const hasVersion = (await dialog.getByLabel('Version of FOCUS').count()) === 1
      const first = { period: 'last-month', format: 'csv' }
      const accepted = await Promise.all([
        ...PERIODS.map(async (period) => ((await isAccepted({ what, ...first, period })) ? [period] : [])),
        ...FORMATS.map(async (format) => ((await isAccepted({ what, ...first, format })) ? [format] : [])),
        isAccepted({ what, ...first, focus: '1.2' }).then((isVersion) => (isVersion ? ['a version'] : [])),
      ])
      expect([what, ...accepted.flat()]).toEqual([what, ...periods, ...formats, ...(hasVersion ? ['a version'] : [])])
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
})
