/** One field of a TabSeparated row. Tabs, line ends and backslashes would end the field or the row. */
export function escapeField(text: string): string {
  return SPECIAL.test(text) ? text.replace(SPECIALS, (character) => ESCAPES[character] ?? character) : text
}

/** One row, its fields escaped. Only null is NULL: the text \\N is a text like any other. */
export function row(fields: readonly (string | number | null)[]): string {
  return `${fields.map((field) => (field === null ? NULL_FIELD : escapeField(String(field)))).join('\t')}\n`
}

const NULL_FIELD = '\\N'

const SPECIAL = /[\\\t\n\r\0\b\f]/
const SPECIALS = /[\\\t\n\r\0\b\f]/g
const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r', '\0': '\\0', '\b': '\\b', '\f': '\\f' }
