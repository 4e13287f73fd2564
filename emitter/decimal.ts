const FRACTION_DIGITS = 9
const DECIMAL = /^(\d{1,29})(?:\.(\d{1,9}))?$/
/** A number with more digits may have been rounded already; an integer is exact up to 2^53. */
const EXACT_DIGITS_MAX = 15

/** Parses a quantity to billionths, in which sums are exact. Undefined if it is not a decimal that the service accepts. */
export function parseBillionths(value: unknown): bigint | undefined {
  const text = String(value)
  const match = DECIMAL.exec(text)
  if (match === null) return undefined
  if (typeof value === 'number' && !Number.isSafeInteger(value) && text.replace('.', '').replace(/^0+/, '').length > EXACT_DIGITS_MAX) return undefined
  return BigInt(`${match[1]}${(match[2] ?? '').padEnd(FRACTION_DIGITS, '0')}`)
}

/** The shortest text of a sum. */
export function formatBillionths(billionths: bigint): string {
  const digits = String(billionths).padStart(FRACTION_DIGITS + 1, '0')
  const fraction = digits.slice(-FRACTION_DIGITS).replace(/0+$/, '')
  return digits.slice(0, -FRACTION_DIGITS) + (fraction === '' ? '' : `.${fraction}`)
}
