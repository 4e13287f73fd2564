import { grouped } from '../../metering/grouped.ts'
import type { NumberToken } from '../../metering/quantity.ts'

/** What an event counts before or after a correction: its number, or the text of a metric that counts different texts. */
export function correctedValue(value: NumberToken | null, text: string | undefined): string {
  if (value === null) return 'void'
  return text ?? grouped(value.text)
}
