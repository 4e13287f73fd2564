/**
 * Exact decimals with a sign, as text: sums and differences of quantities. At most 9 fraction digits, any number of
 * integer digits, no exponent, no trailing zeros, no "-0". Never a `number`: it would round a bill above 2^53.
 */
export type ExactDecimal = string

export function addDecimals(left: ExactDecimal, right: ExactDecimal): ExactDecimal {
  return formatBillionths(billionthsOf(left) + billionthsOf(right))
}

export function subtractDecimals(left: ExactDecimal, right: ExactDecimal): ExactDecimal {
  return formatBillionths(billionthsOf(left) - billionthsOf(right))
}

/** A whole percentage of a decimal. Throws RangeError when the result has more than 9 fraction digits. */
export function percentOf(decimal: ExactDecimal, percent: number): ExactDecimal {
  const hundredfold = billionthsOf(decimal) * BigInt(percent)
  if (hundredfold % 100n !== 0n) throw new RangeError(`${percent} % of ${decimal} has more than ${FRACTION_DIGITS} fraction digits.`)
  return formatBillionths(hundredfold / 100n)
}

/** A decimal that is not negative, times a fraction of two positive whole numbers; what is beyond 9 fraction digits is cut. */
export function timesFraction(decimal: ExactDecimal, numerator: number, denominator: number): ExactDecimal {
  return formatBillionths((billionthsOf(decimal) * BigInt(numerator)) / BigInt(denominator))
}

/** A decimal divided by a positive whole number, rounded half up to at most 9 fraction digits. For figures that are shown, never for bills. */
export function quotientOf(decimal: ExactDecimal, divisor: bigint, fractionDigits: number): ExactDecimal {
  const billionths = billionthsOf(decimal)
  const step = 10n ** BigInt(FRACTION_DIGITS - fractionDigits)
  const magnitude = billionths < 0n ? -billionths : billionths
  const rounded = ((2n * magnitude + divisor * step) / (2n * divisor * step)) * step
  return formatBillionths(billionths < 0n ? -rounded : rounded)
}

/** Negative when left is less than right, 0 when they are equal, positive when left is greater. */
export function compareDecimals(left: ExactDecimal, right: ExactDecimal): number {
  const difference = billionthsOf(left) - billionthsOf(right)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/** Parses a decimal that may be negative, such as the amount of a manual adjustment. Undefined for any other text. */
export function parseDecimal(text: string): ExactDecimal | undefined {
  return SIGNED_DECIMAL.test(text) ? formatBillionths(billionthsOf(text)) : undefined
}

/** The same number of digits as the value of an event (quantity.ts). */
const SIGNED_DECIMAL = /^-?(?:0|[1-9]\d{0,28})(?:\.\d{1,9})?$/
const DECIMAL = /^(-?)(\d+)(?:\.(\d{1,9}))?$/
const FRACTION_DIGITS = 9

/** Throws RangeError for a text that is not a decimal, because a total must be a number or an error, never a guess. */
function billionthsOf(text: ExactDecimal): bigint {
  const match = DECIMAL.exec(text)
  if (match === null) throw new RangeError(`"${text}" is not a decimal.`)
  const [, sign, integer = '', fraction = ''] = match
  const magnitude = BigInt(integer + fraction.padEnd(FRACTION_DIGITS, '0'))
  return sign === '-' ? -magnitude : magnitude
}

function formatBillionths(billionths: bigint): ExactDecimal {
  const negative = billionths < 0n
  const digits = String(negative ? -billionths : billionths).padStart(FRACTION_DIGITS + 1, '0')
  const fraction = digits.slice(-FRACTION_DIGITS).replace(/0+$/, '')
  const plain = fraction === '' ? digits.slice(0, -FRACTION_DIGITS) : `${digits.slice(0, -FRACTION_DIGITS)}.${fraction}`
  return negative ? `-${plain}` : plain
}
