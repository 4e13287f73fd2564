import type { BrowserContextOptions, Page } from 'playwright-core'
import type { TestBrowser, TestPage } from './browser.ts'
import type { Credentials } from './client.ts'

export type SignedInAs = Credentials | { readonly token: string }

interface OpenDashboard {
  readonly browser: TestBrowser
  readonly url: string
  readonly as: SignedInAs
  /** A page, such as "#/usage?month=2026-01". Default: the first of the menu. */
  readonly at?: string
  readonly keep?: boolean
  readonly options?: BrowserContextOptions
}

/** Opens the dashboard and signs in, as a person does. */
export async function openDashboard({ browser, url, as, at = '', keep = false, options = {} }: OpenDashboard): Promise<TestPage> {
  const opened = await browser.openPage(`${url}/${at}`, options)
  await signIn(opened.page, as, keep)
  await opened.page.getByRole('button', { name: 'Sign out' }).waitFor()
  return opened
}

/** Fills the form and sends it. */
export async function signIn(page: Page, as: SignedInAs, keep = false): Promise<void> {
  if ('token' in as) {
    await page.getByRole('radio', { name: 'Token' }).check()
    await page.getByLabel('Token', { exact: true }).last().fill(as.token)
  } else {
    await page.getByRole('radio', { name: 'Partner' }).check()
    await page.getByLabel('Partner id').fill(as.partnerId)
    await page.getByLabel('Partnership secret').fill(as.secret)
  }
  if (keep) await page.getByRole('checkbox', { name: /Keep me signed in/ }).check()
  await page.getByRole('button', { name: 'Sign in' }).click()
}

/** The exact total of a metric on the page, as digits without separators and unit. */
export async function shownTotal(page: Page, metric: string): Promise<string> {
  return digitsOf(String(await page.locator(`[data-total="${metric}"]`).textContent()))
}

/** "1,234.5 bytes" is 1234.5. */
export function digitsOf(shown: string): string {
  return (/-?[\d,]+(?:\.\d+)?/.exec(shown)?.[0] ?? '').replaceAll(',', '')
}
