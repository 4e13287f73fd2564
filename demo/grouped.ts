/** Thousands apart, digits as they are: quantities are text and never pass through a float. */
export function grouped(value: number | string): string {
  const [integer = '', fraction] = String(value).split('.')
  const apart = integer.replace(/\B(?=(\d{3})+$)/g, ',')
  return fraction === undefined ? apart : `${apart}.${fraction}`
}
