import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { HAS_CHROMIUM, TestBrowser, type TestPage } from '../support/clients/browser.ts'
import type { Credentials } from '../support/clients/client.ts'
import { openDashboard, type SignedInAs, shownTotal, signIn } from '../support/clients/dashboard.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

describe.skipIf(!HAS_CHROMIUM)('signing in to the dashboard', () => {
  let tested: TestService
  let browser: TestBrowser
  let partner: Credentials
  let opened: TestPage | undefined
  beforeAll(async () => {
    tested = await startTestService()
    browser = await TestBrowser.open()
    await tested.client.createIngestKey()
    partner = await tested.client.createPartner('Acme')
    await tested.client.registerProject('shop', partner.partnerId, { name: 'Shop' })
    const timestamp = '2026-01-15T10:00:00Z'
    await tested.client.send([{ event_id: '1', project_id: 'shop', metric: 'ai_tokens', value: '12345678901234567890.5', timestamp }])
  })
  afterEach(async () => {
    const problems = opened?.problems ?? []
    await opened?.close()
    opened = undefined
    expect(problems).toEqual([])
  })
  afterAll(async () => {
    await browser?.close()
    await tested?.stop()
  })

  const open = async (as: SignedInAs, { at = '#/', keep = false } = {}) => {
    opened = await openDashboard({ browser, url: tested.service.url, as, at, keep })
    return opened.page
  }
  const tokenOfPartner = async () => (await tested.client.partner(partner, 'POST', '/tokens', '{}')).body.token as string
  const codeOfProject = async () => (await tested.client.partner(partner, 'POST', '/shop/authorization', '{}')).body.code as string
  const tokenOfRole = async (role: string) => (await tested.client.admin('POST', '/admin/v1/tokens', { role })).body.token as string
  const menu = (page: TestPage['page']) => page.getByRole('navigation', { name: 'Pages' }).getByRole('link').allTextContents()

  test('a partner signs in with its id and secret and sees its usage', async () => {
    const page = await open(partner, { at: '#/usage?month=2026-01' })
    expect(await shownTotal(page, 'ai_tokens')).toBe('12345678901234567890.5')
    expect(await menu(page)).toEqual(['Usage', 'Projects', 'Statements', 'Spikes', 'Notifications'])
  })

  test('a token of a partner shows the same pages', async () => {
    const page = await open({ token: await tokenOfPartner() }, { at: '#/usage?month=2026-01' })
    expect(await shownTotal(page, 'ai_tokens')).toBe('12345678901234567890.5')
    expect(await menu(page)).toEqual(['Usage', 'Projects', 'Statements', 'Spikes', 'Notifications'])
  })

  test('a code of a project shows the usage of that project and no other page', async () => {
    const page = await open({ token: await codeOfProject() }, { at: '#/project?month=2026-01' })
    await page.getByRole('heading', { name: 'Shop' }).waitFor()
    expect(await shownTotal(page, 'ai_tokens')).toBe('12345678901234567890.5')
    expect(await menu(page)).toEqual(['Usage of the project'])
    await page.goto(`${tested.service.url}/#/statements`)
    await page.getByText('There is no such page for this credential').waitFor()
  })

  test('wrong credentials are rejected with what to check, and the form stays', async () => {
    opened = await browser.openPage(`${tested.service.url}/`)
    const { page } = opened
    await signIn(page, { partnerId: partner.partnerId, secret: 'mls_wrong' })
    await page.getByRole('alert').getByText('This partner id and secret are not accepted').waitFor()
    await signIn(page, { token: 'mistyped' })
    await page.getByRole('alert').getByText('This token is not accepted').waitFor()
    expect(await page.getByRole('button', { name: 'Sign in' }).isEnabled()).toBe(true)
  })

  test('a reload asks again, and nothing of the credential is stored', async () => {
    const page = await open(partner)
    expect(await page.evaluate('JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie])')).toBe('[{},{},""]')
    await page.reload()
    await page.getByLabel('Partnership secret').waitFor()
  })

  test.each([
    ['a partner', () => partner],
    ['an admin', () => ({ token: tested.service.adminToken })],
  ])('a session of %s that was kept survives a reload with a short-lived token, until signing out', async (_, as) => {
    const page = await open(as(), { keep: true })
    const stored = String(await page.evaluate('JSON.stringify({ ...sessionStorage })'))
    expect(stored).not.toContain(partner.secret)
    expect(stored).not.toContain(tested.service.adminToken)
    await page.reload()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Sign in' }).waitFor()
    expect(await page.evaluate('JSON.stringify({ ...sessionStorage })')).toBe('{}')
    await page.reload()
    await page.getByRole('button', { name: 'Sign in' }).waitFor()
  })

  test('a kept session that cannot be continued says why, and is gone when another partner signs in', async () => {
    const other = await tested.client.createPartner('Other')
    const page = await open(partner, { keep: true })
    await page.route('**/partnership/**', (route) => route.abort())
    await page.reload()
    await page.getByText('Your session in this tab could not be continued. The service cannot be reached.').waitFor()
    await page.unroute('**/partnership/**')
    await signIn(page, other)
    await page.getByRole('heading', { name: 'Usage of Other' }).waitFor()
    expect(await page.evaluate('JSON.stringify({ ...sessionStorage })')).toBe('{}')
    await page.reload()
    await page.getByLabel('Partnership secret').waitFor()
  })

  test('a token that is made for more than an hour is not stored', async () => {
    const { token } = (await tested.client.admin('POST', '/admin/v1/tokens', { role: 'finance', expires_in: 43_200 })).body
    opened = await browser.openPage(`${tested.service.url}/`)
    await signIn(opened.page, { token }, true)
    await opened.page.getByRole('alert').getByText('made for more than an hour, so it is not stored').waitFor()
    expect(await opened.page.evaluate('JSON.stringify({ ...sessionStorage })')).toBe('{}')
    await opened.page.getByRole('checkbox', { name: /Keep me signed in/ }).uncheck()
    await opened.page.getByRole('button', { name: 'Sign in' }).click()
    await opened.page.getByRole('heading', { name: 'Months' }).waitFor()
  })

  test('the copied request names the credential that the reader has, never its value', async () => {
    const copied = async (page: TestPage['page']) => String(await page.getByRole('button', { name: 'Copy as curl' }).first().getAttribute('title'))
    const at = '#/usage?month=2026-01'
    expect(await copied(await open(partner, { at }))).toContain('"X-Partnership-Secret: $METERLINE_ACCESS_TOKEN"')
    await opened?.close()
    expect(await copied(await open({ token: await tokenOfPartner() }, { at }))).toContain('"Authorization: Bearer $METERLINE_ACCESS_TOKEN"')
  })

  test('a credential that is revoked while it is used ends the session and says so', async () => {
    const { body } = await tested.client.admin('POST', `/admin/v1/partners/${partner.partnerId}/secrets`, {})
    const page = await open({ partnerId: partner.partnerId, secret: body.secret })
    await page.getByRole('button', { name: 'Refresh' }).waitFor()
    await tested.client.admin('DELETE', `/admin/v1/partners/${partner.partnerId}/secrets/${body.id}`)
    await page.getByRole('button', { name: 'Refresh' }).click()
    await page.getByRole('alert').getByText('Your credential is not valid any more').waitFor()
    expect(await page.title()).toBe('Sign in · Meterline')
    await page.getByLabel('Partnership secret').waitFor()
  })

  test('P5: ids of another tenant in the URL are not found', async () => {
    const other = await tested.client.createPartner('Other')
    const page = await open(other, { at: '#/projects/shop?month=2026-01' })
    await page.getByRole('alert').getByText('Not found', { exact: true }).waitFor()
    await page.goto(`${tested.service.url}/#/partners/${partner.partnerId}/usage`)
    await page.getByText('There is no such page for this credential').waitFor()
    expect(await page.textContent('body')).not.toContain('12,345')
  })

  test('each admin role sees the pages that it may read', async () => {
    const finance = await menu(await open({ token: await tokenOfRole('finance') }))
    await opened?.close()
    const manager = await menu(await open({ token: await tokenOfRole('emitter-manager') }))
    await opened?.close()
    const operator = await menu(await open({ token: await tokenOfRole('operator') }))
    expect(finance).toContain('Months')
    expect(finance).not.toContain('Secrets')
    expect(manager).toContain('Rejected events')
    expect(manager).not.toContain('Months')
    expect(operator).toEqual(expect.arrayContaining(['Months', 'Rejected events', 'Secrets']))
  })
})
