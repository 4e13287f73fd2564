/** Separates thousands and keeps every digit: quantities are text and are never converted to a float. */
export function grouped(value: number | string): string {
  const [integer = '', fraction] = String(value).split('.')
  const separated = integer.replace(/\B(?=(\d{3})+$)/g, ',')
  return fraction === undefined ? separated : `${separated}.${fraction}`
}
