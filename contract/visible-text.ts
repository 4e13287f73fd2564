/** Letters, digits, punctuation and symbols, without those that Unicode shows as nothing (U+2800 is the empty braille pattern). */
export function hasVisibleCharacter(text: string): boolean {
  return /[\p{L}\p{N}\p{P}\p{S}]/u.test(text.replaceAll(/[\p{Default_Ignorable_Code_Point}\u2800]/gu, ''))
}

/** Embeddings, overrides and isolates: they show a name in another order than it is written in, also what follows it on a line. */
export function overridesDirection(text: string): boolean {
  return /[\u202a-\u202e\u2066-\u2069]/.test(text)
}
