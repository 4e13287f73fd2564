import { test } from 'vitest'
import { TestBrowser } from '../support/clients/browser.ts'
import { openDashboard } from '../support/clients/dashboard.ts'
import { makeExportedMonths } from '../support/worlds/exported-month.ts'
import { startTestService } from '../support/worlds/test-service.ts'

test('shots', async () => {
  const tested = await startTestService()
  const { client } = tested
  const partner = await makeExportedMonths(client, 'Acme')
  await client.send([
    { event_id: 'late', project_id: 'gone', metric: 'database_size_bytes', value: 4, timestamp: '2026-01-20T10:00:00Z' },
    ...Array.from({ length: 25 }, (_, i) => ({
      event_id: `b${i}`,
      project_id: 'quoted',
      metric: 'database_size_bytes',
      value: 7_000_000_123 + i * 100_000_007,
      timestamp: `2026-04-${String(i + 1).padStart(2, '0')}T10:00:00Z`,
    })),
  ])
  await client.closeMonth(partner.partnerId, '2026-03')
  const browser = await TestBrowser.open()
  const shot = async (at: string, name: string, press?: string) => {
    const { page, close, problems } = await openDashboard({
      browser,
      url: tested.service.url,
      as: press === undefined ? partner : { token: tested.service.adminToken },
      at,
    })
    await page.waitForTimeout(4000)
    if (press !== undefined) await page.getByRole('combobox', { name: 'Format' }).selectOption(press)
    await page.screenshot({ path: `/tmp/shot-${name}.png`, fullPage: true })
    console.log(name, problems)
    await close()
  }
  await shot('#/usage?month=2026-04', 'usage')
  await shot('#/statements/2026-03', 'statement3')
  await shot('#/statements/2026-04', 'statement4')
  await shot('#/exports', 'exports', 'focus-csv')
  await browser.close()
  await tested.stop()
})
