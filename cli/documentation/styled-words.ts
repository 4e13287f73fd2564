import { columnsOf, type Paint } from '../colours.ts'

/** Where a link of a page leads, in words; undefined: the text of the link says enough. */
export type DescribeLink = (target: string) => string | undefined

export interface RenderOptions {
  /** The width of a line. */
  readonly columns: number
  readonly paint: Paint
  readonly describeLink: DescribeLink
}

const SPANS = /(`+)(.+?)\1|\*\*(.+?)\*\*|\[([^\]]+)\]\(([^)\s]+)\)|\*(?!\s)(.+?)\*/

/** The words of a line of Markdown, each with its own styles, so that a line can be broken between any two. */
export function styledWords(markdown: string, paint: Paint, describeLink: DescribeLink): string[] {
  return spansOf(markdown, paint, describeLink)
    .split(' ')
    .filter((word) => word !== '')
}

/** The words as lines of at most so many columns; a longer word is broken. */
export function wrapWords(words: readonly string[], columns: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of words.flatMap((each) => brokenWord(each, columns))) {
    const longer = line === '' ? word : `${line} ${word}`
    if (line !== '' && columnsOf(longer) > columns) {
      lines.push(line)
      line = word
    } else line = longer
  }
  return line === '' ? lines : [...lines, line]
}

function spansOf(markdown: string, paint: Paint, describeLink: DescribeLink): string {
  const span = SPANS.exec(markdown)
  if (span === null) return markdown
  const [whole, , code, strong, text, target, emphasis] = span
  const before = markdown.slice(0, span.index)
  const after = spansOf(markdown.slice(span.index + whole.length), paint, describeLink)
  return `${before}${styled({ code, strong, text, target, emphasis }, paint, describeLink)}${after}`
}

type Span = Record<'code' | 'strong' | 'text' | 'target' | 'emphasis', string | undefined>

function styled({ code, strong, text, target, emphasis }: Span, paint: Paint, describeLink: DescribeLink): string {
  if (code !== undefined) return eachWord(code, (word) => paint('cyan', word))
  if (text !== undefined) {
    const where = describeLink(target ?? '')
    // The name of a file says nothing to somebody who reads in a terminal.
    if (where !== undefined && text.endsWith('.md')) return eachWord(where, (word) => paint('underline', word))
    const shown = eachWord(spansOf(text, paint, describeLink), (word) => paint('underline', word))
    return where === undefined ? shown : `${shown} (${where})`
  }
  if (strong !== undefined) return eachWord(spansOf(strong, paint, describeLink), (word) => paint('bold', word))
  return eachWord(spansOf(emphasis ?? '', paint, describeLink), (word) => paint('underline', word))
}

function eachWord(text: string, style: (word: string) => string): string {
  return text.split(' ').map(style).join(' ')
}

/** Only plain words are ever longer than a line; a styled one stays whole. */
function brokenWord(word: string, columns: number): string[] {
  if (columnsOf(word) <= columns || columnsOf(word) !== word.length) return [word]
  return Array.from({ length: Math.ceil(word.length / columns) }, (_, part) => word.slice(part * columns, (part + 1) * columns))
}
