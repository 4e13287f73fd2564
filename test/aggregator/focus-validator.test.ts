import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeExportedMonths } from '../support/exported-month.ts'
import { openFocusValidator } from '../support/focus-validator.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { startTestService, type TestService } from '../support/test-service.ts'

const validator = await openFocusValidator()
if (typeof validator === 'string') {
  if (process.env['REQUIRE_FOCUS_VALIDATOR'] === '1') throw new Error(`REQUIRE_FOCUS_VALIDATOR is set, but ${validator}.`)
  console.warn(`skipped: the official FOCUS validator, because ${validator}`)
}

/** What 1.2 says of InvoiceId contradicts itself: null without an invoice (C-004), and yet not null (C-005). */
const KNOWN_CONTRADICTION = ['InvoiceId-C-005-C']

let tested: TestService
const directory = makeTemporaryDirectory()
beforeAll(async () => {
  tested = await startTestService()
  await makeExportedMonths(tested.client)
})
afterAll(async () => {
  await tested.stop()
  directory.remove()
})

test.skipIf(typeof validator === 'string').each([
  ['focus-csv', 'csv', 'month=2026-01'],
  ['focus-csv', 'csv', 'month=2026-02'],
  ['focus-parquet', 'parquet', 'month=2026-02'],
  ['focus-parquet', 'parquet', 'from=2026-01-04&to=2026-03-07'],
])('%s passes the official validator (%s, %s)', async (format, extension, query) => {
  const { url, adminToken } = tested.client
  const response = await fetch(`${url}/admin/v1/exports?${query}&format=${format}`, { headers: { authorization: `Bearer ${adminToken}` } })
  const file = join(directory.path, `charges.${extension}`)
  writeFileSync(file, Buffer.from(await response.arrayBuffer()))
  if (typeof validator !== 'string') expect(await validator.failuresOf(file)).toEqual(KNOWN_CONTRADICTION)
})
