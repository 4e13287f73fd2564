/** Converts a decimal to an integer number of billionths. It shares no code with the product, so that both cannot make the same error. */
export function billionths(decimal: string): bigint {
  if (decimal.startsWith('-')) return -billionths(decimal.slice(1))
  const [integer = '0', fraction = ''] = decimal.split('.')
  return BigInt(integer) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9))
}

export function decimalOf(quantity: bigint): string {
  if (quantity < 0n) return `-${decimalOf(-quantity)}`
  const digits = quantity.toString().padStart(10, '0')
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`.replace(/\.?0+$/, '')
}
