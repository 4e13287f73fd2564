import { existsSync } from 'node:fs'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome']
const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

const program = process.env['CHROMIUM'] ?? PLACES.find((place) => existsSync(place))

/** Whether tests of pages can run here: with the browser at CHROMIUM, or an installed one. Prints the reason if not. */
export const HAS_CHROMIUM = program !== undefined || explainMissing()

function explainMissing(): false {
  const reason = 'No Chromium: CHROMIUM is not set, and none of the usual places has one. Debian and Ubuntu: apt-get install chromium.'
  if (process.env['REQUIRE_CHROMIUM'] === '1') throw new Error(reason)
  console.warn(`skipped: ${reason}`)
  return false
}

export interface TestPage {
  readonly page: Page
  /** What must not happen on a page: errors in the console, violations of its policy (CSP), requests to other hosts. */
  readonly problems: string[]
  close(): Promise<void>
}

export class TestBrowser {
  readonly #browser: Browser

  private constructor(browser: Browser) {
    this.#browser = browser
  }

  /** A headless browser for one test file. */
  static async open(): Promise<TestBrowser> {
    return new TestBrowser(await chromium.launch({ ...(program === undefined ? {} : { executablePath: program }), args: FLAGS }))
  }

  /** A page of a browser profile of its own, in English. */
  async openPage(url: string, options: BrowserContextOptions = {}): Promise<TestPage> {
    const context = await this.#browser.newContext({ locale: 'en-US', viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce', ...options })
    const page = await context.newPage()
    const problems: string[] = []
    page.on('pageerror', (error) => problems.push(`error: ${error.message}`))
    page.on('console', (message) => {
      // What the service answers with an error is shown by the page, and is checked there.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) problems.push(`console: ${message.text()}`)
    })
    page.on('request', (request) => {
      if (!request.url().startsWith(new URL(url).origin) && !/^(?:data|blob):/.test(request.url())) problems.push(`request to ${request.url()}`)
    })
    await page.goto(url)
    return { page, problems, close: () => context.close() }
  }

  close(): Promise<void> {
    return this.#browser.close()
  }
}
