import { renderTable } from './render-table.ts'
import { type RenderOptions, styledWords, wrapWords } from './styled-words.ts'

/**
 * Renders the Markdown that this documentation uses: headings, paragraphs, lists, quotations, code and tables. Comments are left
 * out. Anything else is shown as it is written.
 */
export function renderMarkdown(markdown: string, options: RenderOptions): string {
  const lines = markdown.replaceAll(/<!--[\s\S]*?-->\n?/g, '').split('\n')
  const blocks: string[] = []
  while (lines.length > 0) {
    const block = takeBlock(lines, options)
    if (block !== '') blocks.push(block)
  }
  return blocks.join('\n\n')
}

const HEADING = /^(#{1,6}) (.*)$/
const ITEM = /^(\s*)([-*]|\d+\.)\s+(.*)$/
const FENCE = /^\s*```/
const ROW = /^\s*\|/
const QUOTATION = /^>\s?/
const STARTS_A_BLOCK = [HEADING, ITEM, FENCE, ROW, QUOTATION]
const CODE_INDENT = '    '

/** Removes the first block from the lines and returns it rendered; '' for an empty line. */
function takeBlock(lines: string[], options: RenderOptions): string {
  const first = lines.shift() ?? ''
  if (first.trim() === '') return ''
  const { paint } = options
  const [, marks, title] = HEADING.exec(first) ?? []
  if (marks !== undefined && title !== undefined) {
    const words = styledWords(marks.length === 1 ? title.toUpperCase() : title, (_, text) => text, options.describeLink)
    const wrapped = wrapWords(words, options.columns)
    return wrapped.map((line) => paint('bold', marks.length === 2 ? paint('underline', line) : line)).join('\n')
  }
  if (FENCE.test(first)) {
    const code = takeWhile(lines, (line) => !FENCE.test(line))
    lines.shift()
    return code.map((line) => (line === '' ? '' : `${CODE_INDENT}${paint('cyan', line)}`)).join('\n')
  }
  if (ROW.test(first)) return renderTable([first, ...takeWhile(lines, (line) => ROW.test(line))], options)
  if (ITEM.test(first)) return renderList([first, ...takeWhile(lines, (line) => line.trim() !== '' && (ITEM.test(line) || /^\s/.test(line)))], options)
  if (QUOTATION.test(first)) {
    const quoted = [first, ...takeWhile(lines, (line) => QUOTATION.test(line))].map((line) => line.replace(QUOTATION, ''))
    return renderParagraph(quoted, options, { first: '│ ', rest: '│ ' })
  }
  return renderParagraph([first, ...takeWhile(lines, (line) => line.trim() !== '' && !STARTS_A_BLOCK.some((start) => start.test(line)))], options)
}

/** Each item with what is indented below it; code within an item stays as it is. */
function renderList(lines: string[], options: RenderOptions): string {
  const items: string[] = []
  while (lines.length > 0) {
    const [, indent = '', mark = '-', text = ''] = ITEM.exec(lines.shift() ?? '') ?? []
    const more = takeWhile(lines, (line) => !ITEM.test(line) && !FENCE.test(line))
    const first = `${indent}${/\d/.test(mark) ? mark : '•'} `
    items.push(renderParagraph([text, ...more], options, { first, rest: ' '.repeat(first.length) }))
    if (lines[0] !== undefined && FENCE.test(lines[0])) items.push(takeBlock(lines, options))
  }
  return items.join('\n')
}

function renderParagraph(lines: readonly string[], { columns, paint, describeLink }: RenderOptions, indent = { first: '', rest: '' }): string {
  const words = styledWords(lines.map((line) => line.trim()).join(' '), paint, describeLink)
  return wrapWords(words, columns - indent.rest.length)
    .map((line, index) => `${index === 0 ? indent.first : indent.rest}${line}`)
    .join('\n')
}

function takeWhile(lines: string[], accepts: (line: string) => boolean): string[] {
  const end = lines.findIndex((line) => !accepts(line))
  return lines.splice(0, end === -1 ? lines.length : end)
}
