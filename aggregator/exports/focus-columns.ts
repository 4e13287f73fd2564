import { UNKNOWN_FOCUS_SERVICE } from '../../metering/focus-services.ts'

/** The type of a FOCUS column. A time is a UTC instant, an amount a decimal, a key a text that programs compare. */
export type FocusType = 'key' | 'text' | 'amount' | 'time' | 'day'

export interface FocusColumn {
  readonly name: string
  readonly type: FocusType
  /** SQL over a row `charge`, which focus-rows.ts defines. */
  readonly sql: string
}

const NO_TEXT = "CAST(NULL, 'Nullable(String)')"
const NO_AMOUNT = "CAST(NULL, 'Nullable(Decimal(38, 9))')"
/** Only usage is exported: every cost is 0 until there is a rate card. */
const NO_COST = 'toDecimal128(0, 9)'

const PROJECT_ID = "nullIf(charge.project_id, '')"
const PROJECT_NAME = "nullIf(charge.name, '')"
const METRIC = 'toString(charge.metric)'
const REGION_ID = "nullIf(toString(charge.region), '')"
/** Looked up in the catalogues that focus-rows.ts passes. */
const UNIT = 'transform(toString(charge.unit), {units: Array(String)}, {focusUnits: Array(String)}, toString(charge.unit))'
const ofService = (names: string, unknown: string) => `transform(toString(charge.metric), {metrics: Array(String)}, {${names}: Array(String)}, '${unknown}')`

/** All 57 columns of FOCUS 1.2 in its order, then our own. A value that does not apply is null, never an empty text and never 0. */
export const FOCUS_COLUMNS: readonly FocusColumn[] = [
  text('AvailabilityZone', NO_TEXT),
  amount('BilledCost', NO_COST),
  key('BillingAccountId', 'charge.partner_id'),
  text('BillingAccountName', "nullIf(transform(charge.partner_id, {partnerIds: Array(String)}, {partnerNames: Array(String)}, ''), '')"),
  text('BillingAccountType', "'Partner'"),
  key('BillingCurrency', '{currency: String}'),
  time('BillingPeriodEnd', 'addMonths(charge.month_start, 1)'),
  time('BillingPeriodStart', 'charge.month_start'),
  text('CapacityReservationId', NO_TEXT),
  text('CapacityReservationStatus', NO_TEXT),
  text('ChargeCategory', "'Usage'"),
  text('ChargeClass', "if(charge.line = 'usage', NULL, 'Correction')"),
  text(
    'ChargeDescription',
    `concat(${METRIC}, if(charge.kind = 'peak', ' at the peak of the partner', ''), multiIf(charge.line = 'usage', '', charge.line = 'manual', concat(', manual correction of ', toString(charge.for_month)), concat(', recount of ', toString(charge.for_month))))`,
  ),
  text('ChargeFrequency', "'Usage-Based'"),
  time('ChargePeriodEnd', 'charge.until'),
  time('ChargePeriodStart', 'charge.since'),
  text('CommitmentDiscountCategory', NO_TEXT),
  text('CommitmentDiscountId', NO_TEXT),
  text('CommitmentDiscountName', NO_TEXT),
  amount('CommitmentDiscountQuantity', NO_AMOUNT),
  text('CommitmentDiscountStatus', NO_TEXT),
  text('CommitmentDiscountType', NO_TEXT),
  text('CommitmentDiscountUnit', NO_TEXT),
  amount('ConsumedQuantity', 'charge.quantity'),
  text('ConsumedUnit', UNIT),
  amount('ContractedCost', NO_COST),
  amount('ContractedUnitPrice', NO_COST),
  amount('EffectiveCost', NO_COST),
  text('InvoiceId', NO_TEXT),
  text('InvoiceIssuerName', '{provider: String}'),
  amount('ListCost', NO_COST),
  amount('ListUnitPrice', NO_COST),
  text('PricingCategory', "'Standard'"),
  key('PricingCurrency', '{currency: String}'),
  amount('PricingCurrencyContractedUnitPrice', NO_COST),
  amount('PricingCurrencyEffectiveCost', NO_COST),
  amount('PricingCurrencyListUnitPrice', NO_COST),
  amount('PricingQuantity', 'charge.quantity'),
  text('PricingUnit', UNIT),
  text('ProviderName', '{provider: String}'),
  text('PublisherName', '{provider: String}'),
  key('RegionId', REGION_ID),
  text('RegionName', `nullIf(transform(toString(charge.region), {regions: Array(String)}, {regionNames: Array(String)}, toString(charge.region)), '')`),
  key('ResourceId', PROJECT_ID),
  text('ResourceName', PROJECT_NAME),
  text('ResourceType', `if(${PROJECT_ID} IS NULL, NULL, 'Project')`),
  text('ServiceCategory', ofService('categories', UNKNOWN_FOCUS_SERVICE.category)),
  text('ServiceName', ofService('services', UNKNOWN_FOCUS_SERVICE.name)),
  text('ServiceSubcategory', ofService('subcategories', UNKNOWN_FOCUS_SERVICE.subcategory)),
  key('SkuId', METRIC),
  key('SkuMeter', METRIC),
  text('SkuPriceDetails', NO_TEXT),
  key('SkuPriceId', METRIC),
  key('SubAccountId', PROJECT_ID),
  text('SubAccountName', PROJECT_NAME),
  text('SubAccountType', `if(${PROJECT_ID} IS NULL, NULL, 'Project')`),
  text('Tags', NO_TEXT),
  text('x_Line', 'toString(charge.line)'),
  key('x_ForMonth', 'toString(charge.for_month)'),
  text('x_MetricKind', 'toString(charge.kind)'),
  day('x_PeakDay', 'charge.peak_day'),
  amount('x_OwnMax', 'charge.own_max'),
  day('x_OwnMaxDay', 'charge.own_max_day'),
  text('x_ProjectStatus', "nullIf(toString(charge.status), '')"),
  time('x_DeletedAt', 'charge.deleted_at'),
  text('x_Reason', "nullIf(charge.reason, '')"),
]

function key(name: string, sql: string): FocusColumn {
  return { name, type: 'key', sql }
}

function text(name: string, sql: string): FocusColumn {
  return { name, type: 'text', sql }
}

function amount(name: string, sql: string): FocusColumn {
  return { name, type: 'amount', sql }
}

function time(name: string, sql: string): FocusColumn {
  return { name, type: 'time', sql }
}

function day(name: string, sql: string): FocusColumn {
  return { name, type: 'day', sql }
}
