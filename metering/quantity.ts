/**
 * A quantity is the value of one event: an exact decimal as its shortest text, with at most 29 integer and 9 fraction digits,
 * never negative, no exponent, no trailing zeros ("1.0" is "1"). It stays text from the wire to ClickHouse's Decimal(38, 9)
 * and back, because a `number` would round a bill above 2^53.
 */
export type Quantity = string

/** A number as it was written in JSON. It is validated by that text, because a parser may have rounded it already. */
export class NumberToken {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/**
 * Parses a quantity from a decimal string, or from a JSON number that every parser reads as the same value (an integer up to
 * 2^53, else at most 15 significant digits). Undefined for everything else: an event is never billed with a rounded value.
 */
export function parseQuantity(value: unknown): Quantity | undefined {
  if (typeof value === 'string') return DECIMAL.test(value) ? withoutTrailingZeros(value) : undefined
  if (typeof value === 'number') return quantityOfNumber(value)
  if (value instanceof NumberToken) return quantityOfNumberText(value.text)
  return undefined
}

/** What a quantity must be, under the name that the sender uses for it. */
export function quantityRule(name: string): string {
  return `${name} must be a decimal of at most 29 integer and 9 fraction digits, not negative, as a string like "12.5" or as a JSON number that is exact (an integer up to 2^53, else at most 15 significant digits).`
}

const DECIMAL = /^(?:0|[1-9]\d{0,28})(?:\.\d{1,9})?$/
/** Three digits of exponent are enough: a number is too short to hold the zeros that would offset an exponent of four digits. */
const JSON_NUMBER = /^(\d+)(?:\.(\d+))?(?:[eE]([+-]?)0*(\d{1,3}))?$/
/** A quantity has at most 39. Without a limit, 10 MiB of digits and zeros of exponents would keep the process busy for seconds. */
const NUMBER_CHARACTERS_MAX = 400
/** Any number that is so short is exact in every parser. */
const EXACT_CHARACTERS_MAX = 15
const EXACT_INTEGER_MAX = 9_007_199_254_740_992n
const SIGNIFICANT_DIGITS_MAX = 15

function quantityOfNumber(value: number): Quantity | undefined {
  if (Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)) return String(value)
  return Object.is(value, -0) ? undefined : quantityOfNumberText(String(value))
}

function quantityOfNumberText(text: string): Quantity | undefined {
  if (text.length <= EXACT_CHARACTERS_MAX && DECIMAL.test(text)) return withoutTrailingZeros(text)
  const match = text.length <= NUMBER_CHARACTERS_MAX ? JSON_NUMBER.exec(text) : null
  if (match === null) return undefined
  const expanded = expand(match[1] ?? '', match[2] ?? '', Number(`${match[3] ?? ''}${match[4] ?? 0}`))
  if (!DECIMAL.test(expanded)) return undefined
  const quantity = withoutTrailingZeros(expanded)
  return isExactInEveryParser(quantity) ? quantity : undefined
}

/** Writes digits with an exponent as plain digits: ("1", "5", 3), which is 1.5e3, becomes "1500". */
function expand(integer: string, fraction: string, exponent: number): string {
  const digits = integer + fraction
  const point = integer.length + exponent
  const left = point <= 0 ? '0' : digits.slice(0, point).padEnd(point, '0')
  const right = point <= 0 ? digits.padStart(digits.length - point, '0') : digits.slice(point)
  const plain = left.replace(/^0+(?=\d)/, '')
  return right === '' ? plain : `${plain}.${right}`
}

function isExactInEveryParser(quantity: Quantity): boolean {
  if (!quantity.includes('.') && BigInt(quantity) <= EXACT_INTEGER_MAX) return true
  const significant = quantity.replace('.', '').replace(/^0+/, '').replace(/0+$/, '')
  return significant.length <= SIGNIFICANT_DIGITS_MAX
}

function withoutTrailingZeros(decimal: string): string {
  return decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal
}
