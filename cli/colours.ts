export interface Terminal {
  readonly isTTY?: boolean | undefined
}

/**
 * Whether to print colours and other styles: to a terminal, unless NO_COLOR is set or CLICOLOR is 0; with CLICOLOR_FORCE also
 * elsewhere. NO_COLOR wins over CLICOLOR_FORCE. Sources: no-color.org, bixense.com/clicolors.
 */
export function usesColours(environment: NodeJS.ProcessEnv, { isTTY }: Terminal): boolean {
  if (environment['NO_COLOR']) return false
  const forced = environment['CLICOLOR_FORCE']
  if (forced && forced !== '0') return true
  return isTTY === true && environment['CLICOLOR'] !== '0' && environment['TERM'] !== 'dumb'
}

const CODES = { bold: [1, 22], dim: [2, 22], underline: [4, 24], red: [31, 39], yellow: [33, 39], cyan: [36, 39] } as const
export type Style = keyof typeof CODES

/** The text in a style: with escape codes if `on`, else as it is. */
export type Paint = (style: Style, text: string) => string

export function paintWith(on: boolean): Paint {
  return (style, text) => (on && text !== '' ? `\u001b[${CODES[style][0]}m${text}\u001b[${CODES[style][1]}m` : text)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape codes begin with one
const ESCAPE_CODES = /\u001b\[\d+m/g

/** The number of columns that the text takes. */
export function columnsOf(text: string): number {
  return text.replaceAll(ESCAPE_CODES, '').length
}
