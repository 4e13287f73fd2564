/** One field of a TabSeparated row. Tabs, line ends and backslashes would end the field or the row. */
export function escapeField(text: string): string {
  return SPECIAL.test(text) ? text.replace(SPECIALS, (character) => ESCAPES[character] ?? character) : text
}

/** NULL in TabSeparated. */
export const NULL_FIELD = '\\N'

/** One row, its fields escaped. */
export function row(fields: readonly (string | number)[]): string {
  return `${fields.map((field) => (typeof field === 'number' ? String(field) : field === NULL_FIELD ? field : escapeField(field))).join('\t')}\n`
}

const SPECIAL = /[\\\t\n\r\0\b\f]/
const SPECIALS = /[\\\t\n\r\0\b\f]/g
const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r', '\0': '\\0', '\b': '\\b', '\f': '\\f' }
