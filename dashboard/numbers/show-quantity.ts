import { grouped } from '../../metering/grouped.ts'

/** All digits of a quantity, in groups as the reader's language writes them. */
export function allDigits(quantity: string): string {
  return formatsTextExactly ? exact.format(quantity as `${number}`) : grouped(quantity)
}

const exact = new Intl.NumberFormat(undefined, { maximumFractionDigits: 9 })
/** Browsers before 2023 would format a text by way of a double and change its digits. */
const formatsTextExactly =
  new Intl.NumberFormat('en', { maximumFractionDigits: 9 }).format('9007199254740993.123456789' as `${number}`) === '9,007,199,254,740,993.123456789'

const DIGITS_PER_STEP = 3
const SHORT_STEPS = ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y', 'R'] as const
/** A shorter quantity is shown with all its digits. */
const DIGITS_OF_LONG = 7

/** Three digits and a decimal prefix, such as 5.36 G. The digits are cut, not rounded up: a total never looks greater than it is. */
function shortened(quantity: string): string {
  const sign = quantity.startsWith('-') ? '-' : ''
  const [integer = '0'] = quantity.replace('-', '').split('.')
  if (integer.length < DIGITS_OF_LONG) return allDigits(quantity)
  const step = Math.min(Math.floor((integer.length - 1) / DIGITS_PER_STEP), SHORT_STEPS.length - 1)
  const whole = integer.slice(0, integer.length - step * DIGITS_PER_STEP)
  const fraction = integer.slice(whole.length, DIGITS_PER_STEP)
  return `${sign}${allDigits(fraction === '' ? whole : `${whole}.${fraction}`)} ${SHORT_STEPS[step]}`
}

/** With its unit: bytes by their symbol, such as 5.36 GB; others by their name. */
export function withUnit(quantity: string, unit: string): string {
  const short = shortened(quantity)
  const hasPrefix = /[A-Za-z]$/.test(short)
  if (unit === 'byte') return hasPrefix ? `${short}B` : `${short} ${plural('byte', quantity)}`
  return `${short} ${plural(unit, quantity)}`
}

export function exactWithUnit(quantity: string, unit: string): string {
  return `${allDigits(quantity)} ${plural(unit, quantity)}`
}

export function plural(word: string, count: string | number): string {
  return String(count) === '1' ? word : `${word}s`
}

/** A count of things, such as "1 project" and "1,204 events". */
export function counted(count: string | number, word: string): string {
  return `${allDigits(String(count))} ${plural(word, count)}`
}
