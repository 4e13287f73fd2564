/** A reference to a secret in the value of a header, with the key of the secret. */
const REFERENCE = /\$\{\{\s*secrets\.([A-Z0-9_]{1,128})\s*\}\}/g
/** What begins every template. */
export const TEMPLATE_START = '${' + '{'

/** The keys of the secrets that a text refers to; undefined when it has a template that is no reference to a secret. */
export function secretKeysIn(text: string): string[] | undefined {
  if (text.replaceAll(REFERENCE, '').includes(TEMPLATE_START)) return undefined
  return [...text.matchAll(REFERENCE)].map(([, key]) => key ?? '')
}

/** The text with the values of its secrets. Throws for a key without a value. */
export function fillSecrets(text: string, values: ReadonlyMap<string, string>): string {
  return text.replaceAll(REFERENCE, (_, key: string) => {
    const value = values.get(key)
    if (value === undefined) throw new Error(`The secret ${key} was not read.`)
    return value
  })
}
