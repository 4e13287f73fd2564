import { FOCUS_VERSIONS, type FocusVersion } from '../../contract/export-formats.ts'
import { FOCUS_UNITS, UNKNOWN_FOCUS_SERVICE } from '../../metering/focus-services.ts'

/** The type of a FOCUS column. A time is a UTC instant, an amount a decimal, a key a text that programs compare. */
export type FocusType = 'key' | 'text' | 'amount' | 'time' | 'day'

export interface FocusColumn {
  readonly name: string
  readonly type: FocusType
  /** Whether the specification allows nulls; for our own columns whether there are any. */
  readonly nulls: boolean
  /** SQL over a row `charge`, which focus-rows.ts defines. */
  readonly sql: string
  /** The first of our versions that has the column, if it is not the oldest. */
  readonly since?: FocusVersion
  /** The version that deprecated it. It is in the file until a version removes it. */
  readonly deprecated?: FocusVersion
  /** The requirement in the specification, under the id of the column, that the value follows. */
  readonly source: string
}

/** The columns of a version, in its order, then our own. */
export function focusColumnsOf(version: FocusVersion): readonly FocusColumn[] {
  return FOCUS_COLUMNS.filter(({ since }) => since === undefined || FOCUS_VERSIONS.indexOf(since) <= FOCUS_VERSIONS.indexOf(version))
}

const NO_TEXT = "CAST(NULL, 'Nullable(String)')"
const NO_AMOUNT = "CAST(NULL, 'Nullable(Decimal(38, 9))')"
/** Only usage is exported: every cost is 0 until there is a rate card. */
const NO_COST = 'toDecimal128(0, 9)'

const PROJECT_ID = "nullIf(charge.project_id, '')"
const PROJECT_NAME = "nullIf(charge.name, '')"
const IS_PROJECT = `if(${PROJECT_ID} IS NULL, NULL, 'Project')`
const METRIC = 'toString(charge.metric)'
const PROVIDER = '{provider: String}'
const CURRENCY = '{currency: String}'
/** Looked up in the catalogues that focus-rows.ts passes. */
const CAPITALIZED = 'concat(upper(substring(charge.unit, 1, 1)), substring(charge.unit, 2'
/** Of a metric that operators have defined: Unit Format asks for a capitalized plural. A unit that is no word, such as GB, stays as it is. */
const DEFINED_UNIT = `multiIf(NOT match(charge.unit, '^[a-z][a-z ]*$'), toString(charge.unit),
      match(charge.unit, '[^aeiou]y$'), ${CAPITALIZED}, length(charge.unit) - 2), 'ies'),
      match(charge.unit, '(s|x|z|ch|sh)$'), ${CAPITALIZED}), 'es'),
      ${CAPITALIZED}), 's'))`
const UNIT = `transform(toString(charge.unit), {units: Array(String)}, {focusUnits: Array(String)}, ${DEFINED_UNIT})`
/** Unit Format writes a unit times a unit of time so: GB-Hours. A manual correction of a peak is in the unit of the metric itself. */
const UNIT_OF_DAYS = `concat(multiIf(charge.unit = 'byte', '${FOCUS_UNITS.byte}', match(charge.unit, '^[a-z][a-z ]*$'), ${CAPITALIZED})), toString(charge.unit)), '-Days')`
const CHARGED_UNIT = `if(charge.is_by_days, ${UNIT_OF_DAYS}, ${UNIT})`
/** A byte-day has another price than a byte. */
const PRICE_ID = `if(charge.is_by_days, concat(${METRIC}, ':byte_days'), ${METRIC})`
const PARTNER_NAME = "nullIf(transform(charge.partner_id, {partnerIds: Array(String)}, {partnerNames: Array(String)}, ''), '')"
const REGION_ID = "nullIf(toString(charge.region), '')"
const REGION_NAME = `nullIf(transform(toString(charge.region), {regions: Array(String)}, {regionNames: Array(String)}, toString(charge.region)), '')`
const ofService = (names: string, unknown: string) => `transform(toString(charge.metric), {metrics: Array(String)}, {${names}: Array(String)}, '${unknown}')`
const OF_MONTH = `multiIf(charge.line = 'usage', '', charge.line = 'manual', concat(', manual correction of ', toString(charge.for_month)), concat(', recount of ', toString(charge.for_month)))`
const DESCRIPTION = `concat(${METRIC}, multiIf(charge.is_by_days, ' times days', charge.kind = 'peak', ' at the peak of the partner', ''), ${OF_MONTH})`

const NO_SPLIT = 'null when the charge is not of a split cost allocation by the data generator'
const NO_COMMITMENT = 'null when the charge is not related to a commitment discount'
const NO_RESERVATION = 'null when the charge is not related to a capacity reservation'
const ZERO_COST = 'a decimal, 0 for charges that are not billed; the product of unit price and quantity'
const ZERO_PRICE = 'a decimal that is not negative, for each charge with a SKU price'

/**
 * The only description of the columns of FOCUS, for all versions: all of them, in the order of the specification, which is that of
 * their ids, then our own. A value that does not apply is null, never an empty text and never 0.
 */
export const FOCUS_COLUMNS: readonly FocusColumn[] = [
  { name: 'AllocatedMethodDetails', type: 'text', nulls: true, sql: NO_TEXT, since: '1.3', source: NO_SPLIT },
  { name: 'AllocatedMethodId', type: 'key', nulls: true, sql: NO_TEXT, since: '1.3', source: NO_SPLIT },
  { name: 'AllocatedResourceId', type: 'key', nulls: true, sql: NO_TEXT, since: '1.3', source: NO_SPLIT },
  { name: 'AllocatedResourceName', type: 'text', nulls: true, sql: NO_TEXT, since: '1.3', source: 'null when AllocatedResourceId is null' },
  { name: 'AllocatedTags', type: 'text', nulls: true, sql: NO_TEXT, since: '1.3', source: NO_SPLIT },
  { name: 'AvailabilityZone', type: 'text', nulls: true, sql: NO_TEXT, source: 'null when the charge is not specific to a zone' },
  { name: 'BilledCost', type: 'amount', nulls: false, sql: NO_COST, source: ZERO_COST },
  { name: 'BillingAccountId', type: 'key', nulls: false, sql: 'charge.partner_id', source: 'unique within the invoice issuer' },
  { name: 'BillingAccountName', type: 'text', nulls: true, sql: PARTNER_NAME, source: 'the display name of the billing account' },
  { name: 'BillingAccountType', type: 'text', nulls: true, sql: "'Partner'", source: 'a readable kind, for each BillingAccountId' },
  { name: 'BillingCurrency', type: 'key', nulls: false, sql: CURRENCY, source: 'the national currency of the invoice, ISO 4217' },
  { name: 'BillingPeriodEnd', type: 'time', nulls: false, sql: 'addMonths(charge.month_start, 1)', source: 'the exclusive end of the billing period' },
  { name: 'BillingPeriodStart', type: 'time', nulls: false, sql: 'charge.month_start', source: 'the inclusive start of the billing period' },
  { name: 'CapacityReservationId', type: 'key', nulls: true, sql: NO_TEXT, source: NO_RESERVATION },
  { name: 'CapacityReservationStatus', type: 'text', nulls: true, sql: NO_TEXT, source: 'null when CapacityReservationId is null' },
  { name: 'ChargeCategory', type: 'text', nulls: false, sql: "'Usage'", source: 'one of the allowed values' },
  {
    name: 'ChargeClass',
    type: 'text',
    nulls: true,
    sql: "if(charge.for_month < charge.month, 'Correction', NULL)",
    source: 'Correction for corrections of an earlier period, otherwise null',
  },
  { name: 'ChargeDescription', type: 'text', nulls: true, sql: DESCRIPTION, source: 'a summary that needs no further context' },
  { name: 'ChargeFrequency', type: 'text', nulls: false, sql: "'Usage-Based'", source: 'one of the allowed values' },
  { name: 'ChargePeriodEnd', type: 'time', nulls: false, sql: 'charge.until', source: 'the exclusive end of the effective period' },
  { name: 'ChargePeriodStart', type: 'time', nulls: false, sql: 'charge.since', source: 'the inclusive start of the effective period' },
  { name: 'CommitmentDiscountCategory', type: 'text', nulls: true, sql: NO_TEXT, source: 'null when CommitmentDiscountId is null' },
  { name: 'CommitmentDiscountId', type: 'key', nulls: true, sql: NO_TEXT, source: NO_COMMITMENT },
  { name: 'CommitmentDiscountName', type: 'text', nulls: true, sql: NO_TEXT, source: 'null when CommitmentDiscountId is null' },
  { name: 'CommitmentDiscountQuantity', type: 'amount', nulls: true, sql: NO_AMOUNT, source: NO_COMMITMENT },
  { name: 'CommitmentDiscountStatus', type: 'text', nulls: true, sql: NO_TEXT, source: 'null when CommitmentDiscountId is null' },
  { name: 'CommitmentDiscountType', type: 'text', nulls: true, sql: NO_TEXT, source: 'null when CommitmentDiscountId is null' },
  { name: 'CommitmentDiscountUnit', type: 'text', nulls: true, sql: NO_TEXT, source: 'null when CommitmentDiscountQuantity is null' },
  { name: 'ConsumedQuantity', type: 'amount', nulls: true, sql: 'charge.quantity', source: 'a decimal for each charge of usage' },
  { name: 'ConsumedUnit', type: 'text', nulls: true, sql: CHARGED_UNIT, source: 'a unit in Unit Format, with each ConsumedQuantity' },
  { name: 'ContractApplied', type: 'text', nulls: true, sql: NO_TEXT, since: '1.3', source: 'only when contract commitments are applied to the charge' },
  { name: 'ContractedCost', type: 'amount', nulls: false, sql: NO_COST, source: ZERO_COST },
  { name: 'ContractedUnitPrice', type: 'amount', nulls: true, sql: NO_COST, source: ZERO_PRICE },
  { name: 'EffectiveCost', type: 'amount', nulls: false, sql: NO_COST, source: ZERO_COST },
  { name: 'HostProviderName', type: 'text', nulls: true, sql: PROVIDER, since: '1.3', source: 'ServiceProviderName when the host is not exposed' },
  { name: 'InvoiceId', type: 'key', nulls: true, sql: NO_TEXT, source: 'null when the charge is not associated with an invoice' },
  { name: 'InvoiceIssuerName', type: 'text', nulls: false, sql: PROVIDER, source: 'who issues the invoices' },
  { name: 'ListCost', type: 'amount', nulls: false, sql: NO_COST, source: ZERO_COST },
  { name: 'ListUnitPrice', type: 'amount', nulls: true, sql: NO_COST, source: ZERO_PRICE },
  { name: 'PricingCategory', type: 'text', nulls: true, sql: "'Standard'", source: 'one of the allowed values: priced at the agreed rate' },
  { name: 'PricingCurrency', type: 'key', nulls: false, sql: CURRENCY, source: 'the currency of the prices; here that of the invoice' },
  { name: 'PricingCurrencyContractedUnitPrice', type: 'amount', nulls: true, sql: NO_COST, source: ZERO_PRICE },
  { name: 'PricingCurrencyEffectiveCost', type: 'amount', nulls: false, sql: NO_COST, source: ZERO_COST },
  { name: 'PricingCurrencyListUnitPrice', type: 'amount', nulls: true, sql: NO_COST, source: ZERO_PRICE },
  { name: 'PricingQuantity', type: 'amount', nulls: true, sql: 'charge.quantity', source: 'a decimal for each charge with a SKU price' },
  { name: 'PricingUnit', type: 'text', nulls: true, sql: CHARGED_UNIT, source: 'a unit in Unit Format, with each PricingQuantity' },
  {
    name: 'ProviderName',
    type: 'text',
    nulls: false,
    sql: PROVIDER,
    deprecated: '1.3',
    source: 'who makes the service available; replaced by ServiceProviderName',
  },
  { name: 'PublisherName', type: 'text', nulls: false, sql: PROVIDER, deprecated: '1.3', source: 'who produces the service' },
  { name: 'RegionId', type: 'key', nulls: true, sql: REGION_ID, source: 'for a resource that is operated in a region' },
  { name: 'RegionName', type: 'text', nulls: true, sql: REGION_NAME, source: 'null exactly when RegionId is null' },
  { name: 'ResourceId', type: 'key', nulls: true, sql: PROJECT_ID, source: 'null when the charge is not related to a resource' },
  { name: 'ResourceName', type: 'text', nulls: true, sql: PROJECT_NAME, source: 'the assigned display name, null when ResourceId is null' },
  { name: 'ResourceType', type: 'text', nulls: true, sql: IS_PROJECT, source: 'null exactly when ResourceId is null' },
  { name: 'ServiceCategory', type: 'text', nulls: false, sql: ofService('categories', UNKNOWN_FOCUS_SERVICE.category), source: 'one of the allowed values' },
  { name: 'ServiceName', type: 'text', nulls: false, sql: ofService('services', UNKNOWN_FOCUS_SERVICE.name), source: 'has one ServiceCategory' },
  { name: 'ServiceProviderName', type: 'text', nulls: false, sql: PROVIDER, since: '1.3', source: 'who makes the service available' },
  {
    name: 'ServiceSubcategory',
    type: 'text',
    nulls: false,
    sql: ofService('subcategories', UNKNOWN_FOCUS_SERVICE.subcategory),
    source: 'of its ServiceCategory',
  },
  { name: 'SkuId', type: 'key', nulls: true, sql: METRIC, source: 'for each charge of usage, the same for all partners' },
  { name: 'SkuMeter', type: 'key', nulls: true, sql: METRIC, source: 'what the SKU measures' },
  { name: 'SkuPriceDetails', type: 'text', nulls: true, sql: NO_TEXT, source: 'may be null' },
  { name: 'SkuPriceId', type: 'key', nulls: true, sql: PRICE_ID, source: 'for each charge of usage; the SkuId where a SKU has one price' },
  { name: 'SubAccountId', type: 'key', nulls: true, sql: PROJECT_ID, source: 'null when the charge is not related to a sub account' },
  { name: 'SubAccountName', type: 'text', nulls: true, sql: PROJECT_NAME, source: 'null when SubAccountId is null' },
  { name: 'SubAccountType', type: 'text', nulls: true, sql: IS_PROJECT, source: 'null exactly when SubAccountId is null' },
  { name: 'Tags', type: 'text', nulls: true, sql: NO_TEXT, source: 'may be null' },
  { name: 'x_Line', type: 'text', nulls: false, sql: 'toString(charge.line)', source: 'our `line`' },
  { name: 'x_ForMonth', type: 'key', nulls: false, sql: 'toString(charge.for_month)', source: 'our `for_month`' },
  { name: 'x_MetricKind', type: 'text', nulls: false, sql: 'toString(charge.kind)', source: 'our `kind`' },
  { name: 'x_PeakDay', type: 'day', nulls: true, sql: 'charge.peak_day', source: 'our `peak_day`' },
  { name: 'x_OwnMax', type: 'amount', nulls: true, sql: 'charge.own_max', source: 'our `own_max`' },
  { name: 'x_OwnMaxDay', type: 'day', nulls: true, sql: 'charge.own_max_day', source: 'our `own_max_day`' },
  { name: 'x_ProjectStatus', type: 'text', nulls: true, sql: "nullIf(toString(charge.status), '')", source: 'our `status`' },
  { name: 'x_DeletedAt', type: 'time', nulls: true, sql: 'charge.deleted_at', source: 'our `deleted_at`' },
  { name: 'x_Reason', type: 'text', nulls: true, sql: "nullIf(charge.reason, '')", source: 'our `reason`' },
]
