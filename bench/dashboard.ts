import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { TestBrowser } from '../test/support/clients/browser.ts'
import { signIn } from '../test/support/clients/dashboard.ts'
import { type Report, type Run, roundsOf } from './report.ts'
import { seedUsage } from './seeded-usage.ts'
import { SEEDED_PROJECTS, type UsageSeeded } from './seeded-usage-main.ts'
import { startServiceProcess } from './service-process.ts'
import { median, percentile, ratiosOfRounds } from './statistics.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const ROUNDS = 7
/** A phone in the middle of its class. */
const CPU_SLOWED_BY = 4
const MONTH = '2026-02'

/** Measures how soon the dashboard shows a number and how long it holds up its user, for a partner of 10,000 projects. */
export async function measureDashboard(run: Run): Promise<Report> {
  const { closers, progress } = run
  progress(`dashboard, seeding ${SEEDED_PROJECTS} projects`)
  const dataDir = makeTemporaryDirectory(closers)
  const seeded = await seedUsage(dataDir, closers)
  const { url } = await startServiceProcess(dataDir, closers)
  const browser = await TestBrowser.open()
  closers.add(() => browser.close())
  // After a start the days of a partner are materialized in the background; a first round that is not counted waits for them.
  progress('dashboard, a round that is not counted')
  await measureRound(browser, url, seeded)
  const rounds: Round[] = []
  const count = roundsOf(run, ROUNDS)
  for (let round = 1; round <= count; round += 1) {
    progress(`dashboard, round ${round} of ${count}`)
    rounds.push(await measureRound(browser, url, seeded))
  }
  return reportOf(rounds, sizes())
}

interface Round {
  /** From the navigation until a page of one line is shown, and until the dashboard shows its first total. */
  readonly emptyMs: number
  readonly firstNumberMs: number
  /** The API call of the same numbers alone, from the same browser. */
  readonly callMs: number
  readonly interactions: Readonly<Record<string, Interaction>>
}

interface Interaction {
  /** From the key or click until the browser has painted its effect (Event Timing). */
  readonly delayMs: number
  /** Until the numbers that it asked for are shown. */
  readonly shownMs: number
}

async function measureRound(browser: TestBrowser, url: string, { partnerId, secret }: UsageSeeded): Promise<Round> {
  const empty = await browser.openPage(`${url}/assets/none`)
  await slowDown(empty.page)
  await empty.page.route('**/empty', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>Empty</title><p id="shown">1</p>' }))
  const emptyMs = await navigationMs(empty.page, `${url}/empty`, '#shown')
  await empty.close()
  const { page, close } = await browser.openPage(`${url}/#/usage?month=${MONTH}`)
  await signIn(page, { partnerId, secret }, true)
  await page.locator('[data-total]').first().waitFor()
  await slowDown(page)
  // The session of the tab goes on, so this is what a reload costs.
  const firstNumberMs = await navigationMs(page, `${url}/?reload#/usage?month=${MONTH}`, '[data-total]')
  const callMs = await callTime(page, `/partnership/v1/${partnerId}/usage?start_date=${MONTH}-01&end_date=${MONTH}-28&include=daily`)
  await page.evaluate(OBSERVE)
  const interactions = {
    'month before': await interaction(page, () => page.getByRole('button', { name: 'Show January 2026' }).click(), 'Jan 1, 2026 – Jan 31, 2026'),
    'explain a total': await interaction(page, () => page.getByRole('button', { name: 'Explain' }).first().click(), 'The projects on'),
    'close the explanation': await interaction(page, () => page.getByRole('button', { name: 'Close' }).click(), 'Usage of bench'),
    'list of projects': await interaction(page, () => page.getByRole('link', { name: 'Which projects used it' }).click(), 'page 1 of 100'),
    'next page': await interaction(page, () => page.getByRole('button', { name: 'Next page' }).click(), 'page 2 of 100'),
  }
  await close()
  return { emptyMs, firstNumberMs, callMs, interactions }
}

async function slowDown(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page)
  await session.send('Emulation.setCPUThrottlingRate', { rate: CPU_SLOWED_BY })
}

async function navigationMs(page: Page, address: string, shown: string): Promise<number> {
  const started = performance.now()
  await page.goto(address, { waitUntil: 'commit' })
  await page.locator(shown).first().waitFor()
  return performance.now() - started
}

async function callTime(page: Page, path: string): Promise<number> {
  return Number(
    await page.evaluate(`(async () => {
      const authorization = 'Bearer ' + sessionStorage.getItem('meterline.token')
      const started = performance.now()
      await (await fetch(${JSON.stringify(path)}, { headers: { authorization }, cache: 'no-store' })).text()
      return performance.now() - started
    })()`),
  )
}

/** Event Timing reports only events that take at least 16 ms; a shorter one counts as 16. */
const EVENT_MS_MIN = 16
const OBSERVE = `(() => {
  globalThis.delays = []
  new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => globalThis.delays.push(duration)))
    .observe({ type: 'event', durationThreshold: ${EVENT_MS_MIN}, buffered: false })
})()`

async function interaction(page: Page, act: () => Promise<void>, shown: string): Promise<Interaction> {
  await page.evaluate('globalThis.delays.length = 0')
  const started = performance.now()
  await act()
  await page.getByText(shown).first().waitFor()
  const shownMs = performance.now() - started
  // Entries are delivered after the paint that they wait for.
  await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 100)))')
  const delayMs = Number(await page.evaluate(`Math.max(${EVENT_MS_MIN}, ...globalThis.delays)`))
  return { delayMs, shownMs }
}

interface Size {
  readonly file: string
  readonly bytes: number
  readonly gzip: number
  readonly brotli: number
}

const BUILT = fileURLToPath(new URL('../dist/dashboard/assets/', import.meta.url))

function sizes(): Size[] {
  const files = readdirSync(BUILT).filter((name) => /\.(?:js|css)$/.test(name))
  const bytesOf = (name: string) => readFileSync(BUILT + name).length
  return files.map((file) => ({ file: file.replace(/-[\w-]{8}\./, '.'), bytes: bytesOf(file), gzip: bytesOf(`${file}.gz`), brotli: bytesOf(`${file}.br`) }))
}

function reportOf(rounds: readonly Round[], files: readonly Size[]): Report {
  const of = (value: (round: Round) => number) => rounds.map(value)
  const [empty, first, call] = [of(({ emptyMs }) => emptyMs), of(({ firstNumberMs }) => firstNumberMs), of(({ callMs }) => callMs)]
  const names = Object.keys(rounds[0]?.interactions ?? {})
  const delays = (name: string) => of(({ interactions }) => interactions[name]?.delayMs ?? Number.NaN)
  const shown = (name: string) => of(({ interactions }) => interactions[name]?.shownMs ?? Number.NaN)
  const ms = (value: number) => value.toFixed(0)
  const script = files.filter(({ file }) => file.endsWith('.js')).reduce((sum, { gzip }) => sum + gzip, 0)
  const range = (values: readonly number[]) => `${ms(Math.min(...values))} to ${ms(Math.max(...values))}`
  return {
    name: 'dashboard',
    notes: [
      `${SEEDED_PROJECTS} projects of one partner, 9 metrics, one month; headless Chromium with its CPU slowed ${CPU_SLOWED_BY} times; ${rounds.length} rounds. The browser and the service share the machine.`,
    ],
    tables: [
      {
        title: 'Sizes',
        columns: ['file', 'bytes', 'gzip', 'brotli'],
        rows: files.map(({ file, bytes, gzip, brotli }) => [file, String(bytes), String(gzip), String(brotli)]),
      },
      {
        title: 'A reload of the usage page',
        columns: ['what', 'ratio', 'median ms', 'range ms'],
        rows: [
          ['a page of one line', '1.0', ms(median(empty)), range(empty)],
          ['the first number of the dashboard', median(ratiosOfRounds(first, empty)).toFixed(1), ms(median(first)), range(first)],
          ['of which one call for the same numbers', median(ratiosOfRounds(call, empty)).toFixed(1), ms(median(call)), range(call)],
        ],
      },
      {
        title: 'Interactions',
        columns: ['what', 'delay: median ms', 'worst ms', 'numbers shown: median ms'],
        rows: names.map((name) => [name, ms(median(delays(name))), ms(Math.max(...delays(name))), ms(median(shown(name)))]),
      },
    ],
    figures: {
      ratio_first_number_empty_page: median(ratiosOfRounds(first, empty)),
      first_number_ms: median(first),
      script_gzip_bytes: script,
      interaction_delay_p75_ms: percentile(names.flatMap(delays), 0.75),
    },
  }
}
