import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { focusColumnsOf } from '../../../aggregator/exports/focus-columns.ts'
import { FOCUS_VERSIONS, type FocusVersion } from '../../../contract/export-formats.ts'
import { METRIC_NAMES } from '../../../metering/metrics.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { queryDuckDb } from '../../support/engines/duckdb.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { makeExportedMonths } from '../../support/worlds/exported-month.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
const directory = makeTemporaryDirectory()
beforeAll(async () => {
  tested = await startTestService()
  partner = await makeExportedMonths(tested.client)
  // A charge of each metric, in the open month.
  await tested.client.send(METRIC_NAMES.map((metric) => ({ event_id: metric, project_id: 'quoted', metric, value: 1, timestamp: '2026-03-09T00:00:00Z' })))
})
afterAll(async () => {
  await tested.stop()
  directory.remove()
})

const SPANS = () => [`month=2026-01&partner=${partner.partnerId}`, 'month=2026-02', 'month=2026-03', 'from=2026-01-04&to=2026-03-07', 'month=2026-05']
/** Peaks charged by their byte-days: the rules are the same. */
const BY_DAYS = () =>
  SPANS()
    .slice(0, 3)
    .map((span) => `${span}&quantity=byte_days`)

/** The file in quotes, for DuckDB. */
async function download(query: string, format: string, version?: FocusVersion): Promise<string> {
  const focus = version === undefined ? '' : `&focus=${version}`
  const response = await fetch(`${tested.client.url}/admin/v1/exports?${query}&format=${format}${focus}`, {
    headers: { authorization: `Bearer ${tested.client.adminToken}` },
  })
  expect(response.status).toBe(200)
  const path = join(directory.path, `${query.replaceAll(/\W/g, '-')}-${version}.${format}`)
  writeFileSync(path, Buffer.from(await response.arrayBuffer()))
  return `'${path}'`
}

const textOf = (quoted: string) => readFileSync(quoted.slice(1, -1), 'utf8')
/** A quoted empty text is none that is missing. */
const asCsv = (file: string) => `read_csv(${file}, all_varchar = true, header = true, allow_quoted_nulls = false)`

/** The columns of FOCUS 1.2, as its specification lists them. */
const COLUMNS_OF_1_2 = `AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingAccountType BillingCurrency BillingPeriodEnd
  BillingPeriodStart CapacityReservationId CapacityReservationStatus ChargeCategory ChargeClass ChargeDescription ChargeFrequency
  ChargePeriodEnd ChargePeriodStart CommitmentDiscountCategory CommitmentDiscountId CommitmentDiscountName CommitmentDiscountQuantity
  CommitmentDiscountStatus CommitmentDiscountType CommitmentDiscountUnit ConsumedQuantity ConsumedUnit ContractedCost ContractedUnitPrice
  EffectiveCost InvoiceId InvoiceIssuerName ListCost ListUnitPrice PricingCategory PricingCurrency PricingCurrencyContractedUnitPrice
  PricingCurrencyEffectiveCost PricingCurrencyListUnitPrice PricingQuantity PricingUnit ProviderName PublisherName RegionId RegionName
  ResourceId ResourceName ResourceType ServiceCategory ServiceName ServiceSubcategory SkuId SkuMeter SkuPriceDetails SkuPriceId
  SubAccountId SubAccountName SubAccountType Tags`.split(/\s+/)
/** What 1.3 added. It removed none: ProviderName and PublisherName are deprecated, and still mandatory. */
const ADDED_BY_1_3 = `AllocatedMethodDetails AllocatedMethodId AllocatedResourceId AllocatedResourceName AllocatedTags ContractApplied
  HostProviderName ServiceProviderName`.split(/\s+/)
const COLUMNS: Record<FocusVersion, readonly string[]> = { '1.2': COLUMNS_OF_1_2, '1.3': [...COLUMNS_OF_1_2, ...ADDED_BY_1_3].sort() }
/** "Allows nulls: False" in the specification. */
const NEVER_NULL_IN_1_2 = `BilledCost BillingAccountId BillingCurrency BillingPeriodEnd BillingPeriodStart ChargeCategory ChargeFrequency
  ChargePeriodEnd ChargePeriodStart ContractedCost EffectiveCost InvoiceIssuerName ListCost PricingCurrency PricingCurrencyEffectiveCost
  ProviderName PublisherName ServiceCategory ServiceName ServiceSubcategory`.split(/\s+/)
const NEVER_NULL: Record<FocusVersion, readonly string[]> = { '1.2': NEVER_NULL_IN_1_2, '1.3': [...NEVER_NULL_IN_1_2, 'ServiceProviderName'].sort() }

describe.each(FOCUS_VERSIONS)('FOCUS %s', (version) => {
  test('FOCUS: a file has all columns of the version in its order, then those that begin with x_', async () => {
    const [span = ''] = SPANS()
    const header =
      textOf(await download(span, 'focus-csv', version))
        .split('\r\n')[0]
        ?.split(',') ?? []
    expect(header.filter((name) => !name.startsWith('x_'))).toEqual(COLUMNS[version])
    expect(header.slice(COLUMNS[version].length).every((name) => name.startsWith('x_'))).toBe(true)
    const described = await queryDuckDb(
      `SELECT column_name AS name FROM (DESCRIBE SELECT * FROM read_parquet(${await download(span, 'focus-parquet', version)}))`,
    )
    expect(described.map(({ name }) => name)).toEqual(header)
    for (const line of textOf(await download(span, 'focus-ndjson', version))
      .trimEnd()
      .split('\n'))
      expect(Object.keys(JSON.parse(line))).toEqual(header)
    expect(focusColumnsOf(version).map(({ name }) => name)).toEqual(header)
    expect(focusColumnsOf(version).flatMap(({ name, nulls }) => (nulls || name.startsWith('x_') ? [] : [name]))).toEqual(NEVER_NULL[version])
  })

  test('FOCUS: CSV and NDJSON have the same rows, and NDJSON has all digits as plain numbers', async () => {
    for (const span of SPANS()) {
      const lines = textOf(await download(span, 'focus-ndjson', version))
        .split('\n')
        .slice(0, -1)
      const csv = await queryDuckDb(`SELECT * FROM ${asCsv(await download(`${span}&guard=off`, 'focus-csv', version))}`)
      const amounts = new Set(focusColumnsOf(version).flatMap(({ name, type }) => (type === 'amount' ? [name] : [])))
      // A number with the sign and digits that it has as a JSON number, and nine digits behind its point.
      const exact = lines.map((line) => JSON.parse(line.replaceAll(/"(\w+)":(-?\d[\d.]*)/g, '"$1":"$2"')) as Record<string, string | null>)
      const nine = (decimal: string) => `${decimal.split('.')[0]}.${(decimal.split('.')[1] ?? '').padEnd(9, '0')}`
      const rows = exact.map((row) =>
        Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, cell !== null && amounts.has(name) ? nine(cell) : cell])),
      )
      expect(rows, span).toEqual(csv)
    }
  })

  test('FOCUS: each row keeps the rules of the specification that the official validator does not check', async () => {
    for (const span of [...SPANS(), ...BY_DAYS()]) {
      const file = asCsv(await download(span, 'focus-csv', version))
      const rules = Object.entries(RULES[version]).map(([rule, sql]) => `CASE WHEN coalesce(${sql}, false) THEN NULL ELSE '${rule}' END`)
      expect([
        span,
        await queryDuckDb(`SELECT rule, SkuMeter FROM (SELECT *, unnest([${rules.join(', ')}]) AS rule FROM ${file}) WHERE rule IS NOT NULL`),
      ]).toEqual([span, []])
      // "A service has one category" is a rule about all rows.
      expect(
        await queryDuckDb(`SELECT ServiceName FROM ${file} GROUP BY ServiceName HAVING count(DISTINCT ServiceCategory || ServiceSubcategory) > 1`),
      ).toEqual([])
    }
    const units = await queryDuckDb(`SELECT DISTINCT ConsumedUnit AS unit FROM ${asCsv(await download('month=2026-03', 'focus-csv', version))} ORDER BY unit`)
    expect(units.map(({ unit }) => unit)).toEqual(['B', 'Calls', 'Credits', 'Requests', 'Seconds', 'Tokens'])
  })

  test('FOCUS: a closed month has the same bytes each time, as CSV and as NDJSON, and its manifest names the version', async () => {
    const [span = ''] = SPANS()
    for (const format of ['focus-csv', 'focus-ndjson', 'focus-billing-period']) {
      const first = textOf(await download(span, format, version))
      expect(textOf(await download(span, format, version))).toBe(first)
      const { body } = await tested.client.admin('GET', `/admin/v1/exports/manifest?${span}&format=${format}&focus=${version}`)
      expect(body).toMatchObject({ format, focus_version: version, status: 'closed' })
    }
  })
})

describe('FOCUS', () => {
  test('FOCUS: without a choice a file is of 1.3, and other formats take no version', async () => {
    const [span = ''] = SPANS()
    expect(textOf(await download(span, 'focus-csv'))).toBe(textOf(await download(span, 'focus-csv', '1.3')))
    const manifestOf = async (query: string) => (await tested.client.admin('GET', `/admin/v1/exports/manifest?${span}&${query}`)).body
    expect(await manifestOf('format=focus-parquet')).toMatchObject({ focus_version: '1.3' })
    expect(await manifestOf('format=csv')).toMatchObject({ focus_version: null })
    for (const query of ['format=csv&focus=1.3', 'format=xlsx&focus=1.2', 'format=focus-csv&focus=1.1', 'format=focus-csv&focus=1'])
      expect([query, (await manifestOf(query)).code]).toEqual([query, 'INVALID_REQUEST'])
  })

  test('FOCUS: 1.2 and 1.3 have the same values in the columns that both have', async () => {
    const shared = focusColumnsOf('1.2').map(({ name }) => `"${name}"`)
    for (const span of SPANS()) {
      const rowsOf = async (version: FocusVersion) => queryDuckDb(`SELECT ${shared.join(', ')} FROM ${asCsv(await download(span, 'focus-csv', version))}`)
      expect(await rowsOf('1.3')).toEqual(await rowsOf('1.2'))
    }
  })

  test('FOCUS charges have one row per month for a peak, one per day for a cumulative metric, and corrections in their own month', async () => {
    const file = await download(`month=2026-02&partner=${partner.partnerId}`, 'focus-parquet')
    const rows = await queryDuckDb(`SELECT coalesce(ChargeClass, '-') || ' ' || SkuMeter || ' ' || coalesce(ResourceId, '-') || ' '
      || strftime(ChargePeriodStart AT TIME ZONE 'UTC', '%Y-%m-%d') || ' ' || strftime(ChargePeriodEnd AT TIME ZONE 'UTC', '%Y-%m-%d') || ' ' || CAST(CAST(ConsumedQuantity AS DOUBLE) AS VARCHAR) AS charge,
      BillingCurrency AS currency, CAST(BilledCost AS VARCHAR) AS cost FROM read_parquet(${file})`)
    expect(rows.map(({ charge }) => charge)).toEqual([
      '- ai_tokens quoted 2026-02-07 2026-02-08 8.0',
      'Correction database_size_bytes -formula 2026-01-01 2026-02-01 -9.0',
      'Correction ai_tokens gone 2026-01-01 2026-02-01 0.5',
      'Correction database_size_bytes gone 2026-01-01 2026-02-01 -6.0',
      'Correction database_size_bytes quoted 2026-01-01 2026-02-01 1000.0',
      'Correction ai_tokens - 2026-01-01 2026-02-01 -3.5',
    ])
    expect(new Set(rows.map(({ currency, cost }) => `${currency} ${cost}`))).toEqual(new Set(['USD 0.000000000']))
  })

  test('FOCUS: a closed month has the regions of the time when it was closed, and an open one those of now', async () => {
    const regionsOf = async (month: string) => {
      const file = await download(`month=${month}&partner=${partner.partnerId}`, 'focus-parquet')
      const rows = await queryDuckDb(`SELECT DISTINCT coalesce(ResourceId, '-') || ' ' || coalesce(RegionId, '-') || ' ' || coalesce(RegionName, '-') AS region
        FROM read_parquet(${file}) ORDER BY region`)
      return rows.map(({ region }) => region)
    }
    const closed = await regionsOf('2026-02')
    expect(closed).toEqual(['- - -', '-formula us-east US East', 'gone us-east US East', 'quoted us-east US East'])
    await tested.client.registerProject('quoted', partner.partnerId, { name: 'say "hi", 雪; \\ done', region: 'eu-west' })
    expect(await regionsOf('2026-02')).toEqual(closed)
    expect(await regionsOf('2026-03')).toEqual(['quoted eu-west Europe West'])
  })
})

/** ServiceCategory and its subcategories, as far as a metric uses them. Source: column ServiceSubcategory, the same in 1.2 and 1.3. */
const SUBCATEGORIES = {
  'AI and Machine Learning': ['AI Platforms', 'Bots', 'Generative AI', 'Machine Learning', 'Natural Language Processing', 'Other (AI and Machine Learning)'],
  Compute: ['Containers', 'End User Computing', 'Quantum Compute', 'Serverless Compute', 'Virtual Machines', 'Other (Compute)'],
  Databases: ['Caching', 'Data Warehouses', 'Ledger Databases', 'NoSQL Databases', 'Relational Databases', 'Time Series Databases', 'Other (Databases)'],
  Integration: ['API Management', 'Messaging', 'Workflow Orchestration', 'Other (Integration)'],
  Networking: [
    ...['Application Networking', 'Content Delivery', 'Network Connectivity', 'Network Infrastructure', 'Network Routing', 'Network Security'],
    'Other (Networking)',
  ],
  Storage: ['Backup Storage', 'Block Storage', 'File Storage', 'Object Storage', 'Storage Platforms', 'Other (Storage)'],
}
const IS_SERVICE = Object.entries(SUBCATEGORIES)
  .map(([category, subcategories]) => `(ServiceCategory = '${category}' AND ServiceSubcategory IN (${subcategories.map((each) => `'${each}'`).join(', ')}))`)
  .join(' OR ')
const isTimeOrNull = (column: string) => `(${column} IS NULL OR regexp_full_match(${column}, '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ'))`
const isDecimalOrNull = (column: string) => `(${column} IS NULL OR regexp_full_match(${column}, '-?\\d+\\.\\d+'))`
const isAmong = (column: string, values: readonly string[]) => `${column} IN (${values.map((value) => `'${value}'`).join(', ')})`
const isNull = (column: string) => `${column} IS NULL`
const named = (version: FocusVersion, pattern: RegExp) => COLUMNS[version].filter((name) => pattern.test(name))

/** SQL that must be true for every row. */
const rulesOf = (version: FocusVersion): Record<string, string> => ({
  'a column that the specification does not allow to be null is never null': NEVER_NULL[version].map((name) => `${name} IS NOT NULL`).join(' AND '),
  'no text is empty or blank': focusColumnsOf(version)
    .map(({ name }) => `(${name} IS NULL OR trim(${name}) != '')`)
    .join(' AND '),
  'a time is a moment in UTC as YYYY-MM-DDTHH:mm:ssZ': [...named(version, /Period(Start|End)$/), 'x_DeletedAt'].map(isTimeOrNull).join(' AND '),
  'a number is a plain decimal': [...named(version, /(Cost|Price|Quantity)$/), 'x_OwnMax'].map(isDecimalOrNull).join(' AND '),
  'a currency is a code of ISO 4217': "BillingCurrency = 'USD' AND PricingCurrency = 'USD'",
  'ChargeCategory, ChargeFrequency, PricingCategory and ChargeClass are of the closed lists': [
    isAmong('ChargeCategory', ['Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment']),
    isAmong('ChargeFrequency', ['One-Time', 'Recurring', 'Usage-Based']),
    isAmong('PricingCategory', ['Standard', 'Dynamic', 'Committed', 'Other']),
    `(ChargeClass IS NULL OR ChargeClass = 'Correction')`,
  ].join(' AND '),
  'a billing period is a calendar month':
    "BillingPeriodStart LIKE '%-01T00:00:00Z' AND CAST(BillingPeriodEnd[1:10] AS DATE) = CAST(BillingPeriodStart[1:10] AS DATE) + INTERVAL 1 MONTH",
  'the unit price times the quantity is the cost': [
    ['ListUnitPrice', 'ListCost'],
    ['ContractedUnitPrice', 'ContractedCost'],
  ]
    .map(([price, cost]) => `CAST(${price} AS DECIMAL(18, 9)) = 0 AND CAST(${cost} AS DECIMAL(18, 9)) = 0`)
    .join(' AND '),
  'a charge of usage has a SKU and a SKU price': 'SkuId IS NOT NULL AND SkuMeter IS NOT NULL AND SkuPriceId IS NOT NULL',
  'there is no commitment, reservation or invoice': named(version, /^(CommitmentDiscount|CapacityReservation|InvoiceId)/)
    .map(isNull)
    .join(' AND '),
  'a region has an id and a name, or neither': '(RegionId IS NULL) = (RegionName IS NULL)',
  'a charge of a resource has its region': 'ResourceId IS NULL OR RegionId IS NOT NULL',
  'a resource and a sub account have an id, a name and a type, or none':
    '(ResourceId IS NULL) = (ResourceName IS NULL) AND (ResourceId IS NULL) = (ResourceType IS NULL) AND (SubAccountId IS NULL) = (SubAccountType IS NULL)',
  'ServiceCategory is of the closed list, and ServiceSubcategory belongs to it': IS_SERVICE,
  'a unit is an abbreviation of FOCUS or a capitalized plural, and may be one of days': "regexp_full_match(ConsumedUnit, 'B|B-Days|[A-Z][a-z]+s')",
  'the quantity is consumed and priced in one unit': 'ConsumedUnit = PricingUnit AND ConsumedQuantity = PricingQuantity',
  'a charge period begins before it ends, within the billing period unless it corrects another':
    "ChargePeriodStart < ChargePeriodEnd AND (ChargeClass = 'Correction' OR (ChargePeriodStart >= BillingPeriodStart AND ChargePeriodEnd <= BillingPeriodEnd))",
  'only corrections of an earlier month have a class': '(ChargeClass IS NULL) = (x_ForMonth >= BillingPeriodStart[1:7])',
})

const ONLY_1_3: Record<string, string> = {
  'a charge that is not of a split cost allocation has no allocated columns': named('1.3', /^Allocated/)
    .map(isNull)
    .join(' AND '),
  'no contract commitment is applied': isNull('ContractApplied'),
  'the host is the service provider where it is not exposed': 'HostProviderName = ServiceProviderName',
  'the deprecated columns are there and name the same entity': 'ProviderName = ServiceProviderName AND PublisherName IS NOT NULL',
}
const RULES: Record<FocusVersion, Record<string, string>> = { '1.2': rulesOf('1.2'), '1.3': { ...rulesOf('1.3'), ...ONLY_1_3 } }
