/** What FOCUS 1.3 requires of a column, as SQL over a row of texts. Source: the section of the column in "Cost and Usage Columns". */
export interface RequiredColumn {
  /** "Feature level" in its content constraints. */
  readonly level: 'Mandatory' | 'Conditional' | 'Recommended'
  /** "Data type" there. */
  readonly type: 'String' | 'Decimal' | 'Date/Time' | 'JSON'
  /** When it must not be null. */
  readonly set?: string
  /** When it must be null. What we never have, such as invoices, makes it true. */
  readonly unset?: string
  /** "Allowed values" there. */
  readonly values?: readonly string[]
}

const ALWAYS = 'true'
type Level = RequiredColumn['level']
type More = Partial<RequiredColumn>
/** Always null here: what the column is about does not exist in our charges. */
const never = (level: Level, type: RequiredColumn['type'] = 'String'): RequiredColumn => ({ level, type, unset: ALWAYS })
const text = (level: Level, more: More = {}): RequiredColumn => ({ level, type: 'String', ...more })
const amount = (level: Level, more: More = {}): RequiredColumn => ({ level, type: 'Decimal', ...more })
const time = (): RequiredColumn => ({ level: 'Mandatory', type: 'Date/Time', set: ALWAYS })

const missing = (column: string) => `${column} IS NULL`
/** Null exactly when the other column is. */
const exactlyWith = (column: string): Pick<RequiredColumn, 'set' | 'unset'> => ({ set: `${column} IS NOT NULL`, unset: `${column} IS NULL` })

/** "MUST NOT be null when ChargeCategory is Usage or Purchase and ChargeClass is not Correction". */
const BOUGHT = "ChargeCategory IN ('Usage', 'Purchase') AND ChargeClass IS DISTINCT FROM 'Correction'"
const IS_TAX = "ChargeCategory = 'Tax'"
/** The unit prices: also "MUST NOT be null when SkuPriceId is not null". */
const UNIT_PRICE = amount('Conditional', { set: `SkuPriceId IS NOT NULL OR (${BOUGHT})`, unset: `SkuPriceId IS NULL OR ${IS_TAX}` })

const SERVICE_CATEGORIES = [
  ...['AI and Machine Learning', 'Analytics', 'Business Applications', 'Compute', 'Databases', 'Developer Tools', 'Multicloud', 'Identity', 'Integration'],
  ...['Internet of Things', 'Management and Governance', 'Media', 'Migration', 'Mobile', 'Networking', 'Security', 'Storage', 'Web', 'Other'],
]

/**
 * All columns of the dataset Cost and Usage of FOCUS 1.3, written from the text of the specification and not from our description of
 * the columns. Where a table of constraints and a requirement differ (PricingCurrency), the requirement counts.
 */
export const COLUMNS_OF_FOCUS_1_3: Readonly<Record<string, RequiredColumn>> = {
  AllocatedMethodDetails: never('Recommended', 'JSON'),
  AllocatedMethodId: never('Conditional'),
  AllocatedResourceId: never('Conditional'),
  AllocatedResourceName: text('Conditional', exactlyWith('AllocatedResourceId')),
  AllocatedTags: never('Conditional', 'JSON'),
  AvailabilityZone: never('Recommended'),
  BilledCost: amount('Mandatory', { set: ALWAYS }),
  BillingAccountId: text('Mandatory', { set: ALWAYS }),
  BillingAccountName: text('Mandatory', { set: ALWAYS }),
  BillingAccountType: text('Conditional', exactlyWith('BillingAccountId')),
  BillingCurrency: text('Mandatory', { set: ALWAYS, values: ['USD'] }),
  BillingPeriodEnd: time(),
  BillingPeriodStart: time(),
  CapacityReservationId: never('Conditional'),
  CapacityReservationStatus: text('Conditional', { unset: missing('CapacityReservationId'), values: ['Used', 'Unused'] }),
  ChargeCategory: text('Mandatory', { set: ALWAYS, values: ['Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment'] }),
  // "MUST be null when it represents a correction within the current billing period", not null for a previously invoiced one.
  ChargeClass: text('Mandatory', { set: 'x_ForMonth < BillingPeriodStart[1:7]', unset: 'x_ForMonth >= BillingPeriodStart[1:7]', values: ['Correction'] }),
  ChargeDescription: text('Mandatory', { set: ALWAYS }),
  ChargeFrequency: text('Recommended', { set: ALWAYS, values: ['One-Time', 'Recurring', 'Usage-Based'] }),
  ChargePeriodEnd: time(),
  ChargePeriodStart: time(),
  CommitmentDiscountCategory: text('Conditional', { ...exactlyWith('CommitmentDiscountId'), values: ['Spend', 'Usage'] }),
  CommitmentDiscountId: never('Conditional'),
  CommitmentDiscountName: text('Conditional', { unset: missing('CommitmentDiscountId') }),
  CommitmentDiscountQuantity: amount('Conditional', { unset: missing('CommitmentDiscountId') }),
  CommitmentDiscountStatus: text('Conditional', { unset: missing('CommitmentDiscountId'), values: ['Used', 'Unused'] }),
  CommitmentDiscountType: text('Conditional', exactlyWith('CommitmentDiscountId')),
  CommitmentDiscountUnit: text('Conditional', exactlyWith('CommitmentDiscountQuantity')),
  ConsumedQuantity: amount('Conditional', { set: BOUGHT, unset: "SkuPriceId IS NULL OR ChargeCategory != 'Usage'" }),
  ConsumedUnit: text('Conditional', exactlyWith('ConsumedQuantity')),
  ContractApplied: never('Conditional', 'JSON'),
  ContractedCost: amount('Mandatory', { set: ALWAYS }),
  ContractedUnitPrice: UNIT_PRICE,
  EffectiveCost: amount('Mandatory', { set: ALWAYS }),
  // "MUST NOT be null in all other cases" than services without infrastructure and charges that have no host.
  HostProviderName: text('Mandatory', { set: ALWAYS }),
  InvoiceId: never('Recommended'),
  InvoiceIssuerName: text('Mandatory', { set: ALWAYS }),
  ListCost: amount('Mandatory', { set: ALWAYS }),
  ListUnitPrice: UNIT_PRICE,
  PricingCategory: text('Conditional', { set: BOUGHT, unset: `SkuPriceId IS NULL OR ${IS_TAX}`, values: ['Standard', 'Dynamic', 'Committed', 'Other'] }),
  PricingCurrency: text('Conditional', { set: ALWAYS, values: ['USD'] }),
  PricingCurrencyContractedUnitPrice: UNIT_PRICE,
  PricingCurrencyEffectiveCost: amount('Conditional', { set: ALWAYS }),
  PricingCurrencyListUnitPrice: UNIT_PRICE,
  PricingQuantity: amount('Mandatory', { set: BOUGHT, unset: `SkuPriceId IS NULL OR ${IS_TAX}` }),
  PricingUnit: text('Mandatory', exactlyWith('PricingQuantity')),
  ProviderName: text('Mandatory', { set: ALWAYS }),
  PublisherName: text('Mandatory', { set: ALWAYS }),
  RegionId: text('Conditional', { set: 'ResourceId IS NOT NULL' }),
  RegionName: text('Conditional', exactlyWith('RegionId')),
  ResourceId: text('Conditional'),
  ResourceName: text('Conditional', { unset: missing('ResourceId') }),
  ResourceType: text('Conditional', exactlyWith('ResourceId')),
  ServiceCategory: text('Mandatory', { set: ALWAYS, values: SERVICE_CATEGORIES }),
  ServiceName: text('Mandatory', { set: ALWAYS }),
  ServiceProviderName: text('Mandatory', { set: ALWAYS }),
  ServiceSubcategory: text('Recommended', { set: ALWAYS }),
  SkuId: text('Conditional', { set: BOUGHT, unset: IS_TAX }),
  SkuMeter: text('Conditional', exactlyWith('SkuId')),
  SkuPriceDetails: { level: 'Conditional', type: 'JSON', unset: missing('SkuPriceId') },
  SkuPriceId: text('Conditional', { set: BOUGHT, unset: IS_TAX }),
  SubAccountId: text('Conditional'),
  SubAccountName: text('Conditional', { unset: missing('SubAccountId') }),
  SubAccountType: text('Conditional', exactlyWith('SubAccountId')),
  Tags: { level: 'Conditional', type: 'JSON' },
}
