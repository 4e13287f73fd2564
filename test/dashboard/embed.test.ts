import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FrameLocator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HAS_CHROMIUM, TestBrowser } from '../support/clients/browser.ts'
import type { Credentials } from '../support/clients/client.ts'
import { digitsOf } from '../support/clients/dashboard.ts'
import { freePort } from '../support/engines/free-port.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

describe.skipIf(!HAS_CHROMIUM)('the usage view inside a page of another site', () => {
  let tested: TestService
  let browser: TestBrowser
  let host: Server
  let hostUrl: string
  let partner: Credentials
  beforeAll(async () => {
    host = createServer((_request, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><title>Host</title><body></body>'))
    await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve))
    hostUrl = `http://127.0.0.1:${(host.address() as AddressInfo).port}`
    tested = await startTestService({ EMBED_ORIGINS: hostUrl, PORT: String(await freePort()) })
    browser = await TestBrowser.open()
    await tested.client.createIngestKey()
    partner = await tested.client.createPartner('Acme')
    for (const id of ['shop', 'blog']) await tested.client.registerProject(id, partner.partnerId)
    const now = new Date().toISOString()
    await tested.client.send(
      ['shop', 'blog'].map((id) => ({ event_id: '1', project_id: id, metric: 'ai_tokens', value: '12345678901234567890.123456789', timestamp: now })),
    )
  })
  afterAll(async () => {
    await browser?.close()
    await tested?.stop()
    host?.close()
  })

  /** A page of the host with the view in a frame, which answers "ready" with these messages. */
  const embed = async (
    messages: readonly object[],
    { from = hostUrl, suffix = '', isClockStopped = false } = {},
  ): Promise<{ page: Page; frame: FrameLocator; close: () => Promise<void> }> => {
    const { page, close } = await browser.openPage(from)
    if (isClockStopped) await page.clock.install()
    await page.evaluate(`(() => {
      const frame = document.createElement('iframe')
      frame.style = 'width: 700px; height: 700px'
      addEventListener('message', ({ data, origin }) => {
        if (data?.type !== 'meterline:ready' || origin !== ${JSON.stringify(tested.service.url)}) return
        for (const message of ${JSON.stringify(messages)}) frame.contentWindow.postMessage(message, origin)
      })
      frame.src = ${JSON.stringify(`${tested.service.url}/embed${suffix}`)}
      document.body.append(frame)
    })()`)
    return { page, frame: page.frameLocator('iframe'), close }
  }
  const tokenOfPartner = async () => (await tested.client.partner(partner, 'POST', '/tokens', '{}')).body.token as string
  const codeOf = async (project: string) => (await tested.client.partner(partner, 'POST', `/${project}/authorization`, '{}')).body.code as string
  const totalIn = async (frame: FrameLocator) => digitsOf(String(await frame.locator('[data-total="ai_tokens"]').textContent()))

  test('a code of a project shows that project, a token of a partner all of it, in the colours of the host', async () => {
    const project = await embed([{ type: 'meterline:token', token: await codeOf('shop') }])
    await project.frame.getByRole('heading', { name: 'shop' }).waitFor()
    expect(await totalIn(project.frame)).toBe('12345678901234567890.123456789')
    await project.close()
    const theme = { type: 'meterline:theme', properties: { '--accent': 'rgb(1, 2, 3)', '--page': 'url(https://example.com/x.png)', '--other': 'red' } }
    const whole = await embed([theme, { type: 'meterline:token', token: await tokenOfPartner() }])
    await whole.frame.getByRole('heading', { name: 'Usage of Acme' }).waitFor()
    expect(await totalIn(whole.frame)).toBe('24691357802469135780.246913578')
    const styles = String(await whole.frame.locator('html').getAttribute('style'))
    expect(styles).toBe('--accent: rgb(1, 2, 3);')
    await whole.close()
  })

  test('a token in the address works too, and is gone from the address afterwards', async () => {
    const { page, frame, close } = await embed([], { suffix: `#/?token=${await codeOf('blog')}` })
    await frame.getByRole('heading', { name: 'blog' }).waitFor()
    expect(page.frames().at(-1)?.url()).not.toContain('token')
    await close()
  })

  test('a token in the address does not stay in the history of the tab', async () => {
    const { page, close } = await browser.openPage(`${tested.service.url}/embed#/?token=${await codeOf('blog')}`)
    await page.getByRole('heading', { name: 'blog' }).waitFor()
    await page.goBack()
    expect(page.url()).not.toContain('token')
    await close()
  })

  test('its links lead to the projects of the partner and back', async () => {
    const { frame, close } = await embed([{ type: 'meterline:token', token: await tokenOfPartner() }])
    await frame.getByRole('link', { name: 'Which projects used it' }).click()
    await frame.getByRole('heading', { name: 'Projects' }).waitFor()
    await frame.getByRole('link', { name: 'shop' }).click()
    await frame.getByRole('heading', { name: 'shop' }).waitFor()
    await frame.getByRole('link', { name: 'Usage of all projects' }).click()
    await frame.getByRole('heading', { name: 'Usage of Acme' }).waitFor()
    await close()
  })

  test('before a token ends the view asks for the next one, and continues with it', async () => {
    const { page, frame, close } = await embed([{ type: 'meterline:token', token: await codeOf('shop') }], { isClockStopped: true })
    await frame.getByRole('heading', { name: 'shop' }).waitFor()
    await page.evaluate(`addEventListener('message', ({ data, source }) => {
      if (data?.type === 'meterline:ready') source.postMessage({ type: 'meterline:token', token: ${JSON.stringify(await codeOf('blog'))} }, '*')
    })`)
    await page.clock.fastForward('06:00')
    await frame.getByRole('heading', { name: 'shop' }).waitFor()
    await page.clock.fastForward('02:30')
    await frame.getByRole('heading', { name: 'blog' }).waitFor()
    await close()
  })

  test('a token that is not valid is reported, and the view waits for another one', async () => {
    const forged = `${(await tokenOfPartner()).split('.').slice(0, 2).join('.')}.AAAA`
    const { frame, close } = await embed([{ type: 'meterline:token', token: forged }])
    await frame.getByText('The token is not valid, or not any more.').waitFor()
    await close()
  })

  test('an admin token is not accepted, and neither a period nor an address can widen the scope of a code', async () => {
    const admin = await embed([{ type: 'meterline:token', token: tested.service.adminToken }])
    await admin.frame.getByText('no other credential').waitFor()
    await admin.close()
    const { frame, close } = await embed([{ type: 'meterline:token', token: await codeOf('shop') }], { suffix: '#/projects/blog' })
    await frame.getByRole('heading', { name: 'shop' }).waitFor()
    await close()
  })

  test('a site that is not in EMBED_ORIGINS cannot show it, and no site can show the dashboard itself', async () => {
    const localhost = hostUrl.replace('127.0.0.1', 'localhost')
    const foreign = await embed([], { from: localhost })
    await expect.poll(() => foreign.page.frames().at(-1)?.url()).toMatch(/^chrome-error:/)
    await foreign.close()
    const { page, close } = await browser.openPage(hostUrl)
    await page.evaluate(`document.body.append(Object.assign(document.createElement('iframe'), { src: ${JSON.stringify(`${tested.service.url}/`)} }))`)
    await expect.poll(() => page.frames().at(-1)?.url()).toMatch(/^chrome-error:/)
    await close()
  })
})
