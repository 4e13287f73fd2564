import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Page } from 'playwright-core'
import { CREATE_ADMIN_TOKEN } from '../contract/admin-tokens.ts'
import { closeLastMonth } from '../demo/close-last-month.ts'
import { DemoClient } from '../demo/demo-client.ts'
import { startDemoService } from '../demo/demo-service.ts'
import { emitStory } from '../demo/emit-story.ts'
import { setUp } from '../demo/set-up.ts'
import { Closers } from '../service/closers.ts'
import { TestBrowser } from '../test/support/clients/browser.ts'
import { openDashboard, type SignedInAs } from '../test/support/clients/dashboard.ts'

const EVENTS = 60_000
const IMAGES = fileURLToPath(new URL('../docs/images/', import.meta.url))
const SIZE = { width: 1200, height: 800 }

/** Pictures of the dashboard with the data of the demo: those of the README, or with `--all <folder>` every page in every look. */
const { values } = parseArgs({ options: { all: { type: 'string' } } })
const closers = new Closers()

async function takeScreenshots(): Promise<void> {
  const service = await startDemoService({ PORT: '0', LOG_LEVEL: 'error' }, closers)
  const client = new DemoClient(service, new AbortController().signal)
  const now = new Date()
  const firstDayMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1)
  const lastMonth = new Date(firstDayMs).toISOString().slice(0, 7)
  const setup = await setUp(client, lastMonth)
  const { partnerId, secret } = setup.partner
  const span = { firstDayMs, nowMs: now.getTime() }
  await emitStory(client, setup, { ...span, events: EVENTS }, process.stderr)
  await closeLastMonth(client, setup, span)
  const browser = await TestBrowser.open()
  closers.add(() => browser.close())
  const partner = { partnerId, secret }
  const { token } = await client.asOperator(CREATE_ADMIN_TOKEN, { body: { role: 'operator' } })
  const pages = { browser, url: service.url, partner, admin: { token }, lastMonth }
  if (values.all === undefined) await takeImagesOfReadme(pages)
  else await takeAll(pages, values.all)
}

interface Pages {
  readonly browser: TestBrowser
  readonly url: string
  readonly partner: { readonly partnerId: string; readonly secret: string }
  readonly admin: { readonly token: string }
  readonly lastMonth: string
}

async function takeImagesOfReadme({ browser, url, partner, admin, lastMonth }: Pages): Promise<void> {
  mkdirSync(IMAGES, { recursive: true })
  const take = async (name: string, as: SignedInAs, at: string, colorScheme: 'light' | 'dark') => {
    const { page, close } = await openDashboard({ browser, url, as, at, options: { viewport: SIZE, colorScheme } })
    await settle(page)
    await page.screenshot({ path: `${IMAGES}${name}.png` })
    await close()
  }
  await take('usage', partner, `#/usage?month=${lastMonth}`, 'light')
  await take('statement', partner, `#/statements/${lastMonth}`, 'light')
  await take('months', admin, '#/months', 'dark')
}

const LOOKS = [
  ['light', 1440],
  ['dark', 320],
] as const

async function takeAll({ browser, url, partner, admin, lastMonth }: Pages, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const own = [`usage?month=${lastMonth}`, `projects?month=${lastMonth}`, `projects/aurora-shop?month=${lastMonth}`, 'statements', `statements/${lastMonth}`]
  const operators = ['health', 'service-logs', 'rejected', 'unregistered', 'silent', 'audits', 'secrets', 'credentials', 'audit-log']
  const ofAdmin = ['months', 'partners', 'exports', ...operators, `partners/${partner.partnerId}/usage`, `partners/${partner.partnerId}/statements`]
  for (const [colorScheme, width] of LOOKS) {
    for (const [as, paths] of [
      [partner, own],
      [admin, ofAdmin],
    ] as const) {
      const { page, close } = await openDashboard({ browser, url, as, options: { viewport: { width, height: 900 }, colorScheme } })
      for (const path of paths) {
        await page.goto(`${url}/#/${path}`)
        await settle(page)
        await page.screenshot({ path: `${folder}/${path.replace(/\W+/g, '_')}-${width}-${colorScheme}.png`, fullPage: true })
      }
      await close()
    }
  }
}

/** Waits until nothing is being read any more. */
async function settle(page: Page): Promise<void> {
  await page.locator('main h1').first().waitFor()
  await page.locator('.loading').first().waitFor({ state: 'detached' })
}

try {
  await takeScreenshots()
} finally {
  await closers.closeAll()
}
