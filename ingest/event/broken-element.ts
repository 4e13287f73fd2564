import { JSON_LEVELS_MAX } from '../../contract/events.ts'
import { CLOSE_ARRAY, CLOSE_OBJECT, COLON, COMMA, OPEN_ARRAY, OPEN_OBJECT, QUOTE, skipSpace } from './scan-json.ts'

/**
 * The position behind an element of an array that is not JSON, or undefined if its end would be a guess: a wrong one would swallow its
 * neighbours, which would then be neither counted nor reported. It is certain only if brackets match and every string has a bracket, a
 * comma or a colon on both sides: a quote that is missing or too many leaves a string beside a word, or beside another string.
 */
export function endOfBrokenElement(text: string, start: number): number | undefined {
  const open: number[] = []
  let before: 'punctuation' | 'string' | 'word' | 'closed' = 'punctuation'
  let end = start
  for (;;) {
    const at = skipSpace(text, end)
    const code = text.charCodeAt(at)
    if (open.length === 0 && (code === COMMA || code === CLOSE_ARRAY)) return before === 'punctuation' ? undefined : end
    end = at + 1
    if (code === QUOTE) {
      end = endOfString(text, at)
      if (before !== 'punctuation' || end > text.length) return undefined
      before = 'string'
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      if (before !== 'punctuation' || open.length === JSON_LEVELS_MAX) return undefined
      open.push(code === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY)
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      if (open.pop() !== code) return undefined
      before = 'closed'
    } else if (open.length > 0 && (code === COMMA || code === COLON)) before = 'punctuation'
    else if (IS_WORD[code] === 1 && (before === 'punctuation' || before === 'word')) before = 'word'
    else return undefined
  }
}

/** The string may have escapes and characters that JSON forbids. Beyond the end of the text if it has no end. */
function endOfString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at += text.charCodeAt(at) === BACKSLASH ? 2 : 1) if (text.charCodeAt(at) === QUOTE) return at + 1
  return text.length + 1
}

const BACKSLASH = 0x5c
/** 1 for letters, digits, and what numbers of other languages have. */
const IS_WORD = Uint8Array.from({ length: 256 }, (_, code) => Number(/[\w+.-]/.test(String.fromCharCode(code))))
