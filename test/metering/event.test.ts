import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isEventId, isPlainText, isProjectId } from '../../metering/event.ts'
import { isMetricName, METRIC_NAMES, METRICS } from '../../metering/metrics.ts'

describe('an event id', () => {
  test('an event id has 1 to 128 characters, however many bytes each has', () => {
    for (const character of ['x', 'é', '漢', '😀']) {
      expect(isEventId(character.repeat(128))).toBe(true)
      expect(isEventId(character.repeat(129))).toBe(false)
    }
    expect(isEventId('')).toBe(false)
  })

  test('an event id survives UTF-8 unchanged, so no two ids are stored as one', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 140 }), (text) => {
        if (isEventId(text)) expect(Buffer.from(text, 'utf8').toString('utf8')).toBe(text)
        expect(isEventId(text)).toBe([...text].length <= 128 && !/\p{Cc}|\p{Cs}/u.test(text))
      }),
    )
  })

  test.each(['\0', 'a\tb', 'a\nb', '\x7f', '\x85', '\ud800', 'a\udc00b', '\udc00\ud800'])('%j is not an event id', (text) => {
    expect(isEventId(text)).toBe(false)
    expect(isPlainText(text)).toBe(false)
  })

  test.each(["it's", '\\', '"', '\ufeff', '\u2028', ' ', '%', '\\N', '😀', 'a b'])('%j is an event id', (text) => {
    expect(isEventId(text)).toBe(true)
  })

  test.each([undefined, null, 1, {}, ['a'], new String('a')])('%j is not an event id, because it is not a text', (value) => {
    expect(isEventId(value)).toBe(false)
    expect(isProjectId(value)).toBe(false)
  })
})

test('a project id has 1 to 128 characters that need no escaping in a path', () => {
  expect(isProjectId('AZaz09_.:-')).toBe(true)
  expect([isProjectId('p'.repeat(128)), isProjectId('p'.repeat(129))]).toEqual([true, false])
  for (const text of ['', 'a b', 'a/b', 'a\n', 'é', 'a%20', "a'b"]) expect(isProjectId(text)).toBe(false)
})

test('the catalogue has the documented metrics under their three names', () => {
  expect(METRIC_NAMES.map((name) => [name, METRICS[name].kind, METRICS[name].unit, METRICS[name].projectSummaryName, METRICS[name].partnershipName])).toEqual([
    ['database_size_bytes', 'peak', 'byte', 'max_database_size_bytes', 'database_bytes'],
    ['file_storage_bytes', 'peak', 'byte', 'max_file_storage_bytes', 'storage_bytes'],
    ['ai_tokens', 'cumulative', 'token', 'total_ai_tokens', 'ai_tokens'],
    ['mcp_calls', 'cumulative', 'call', 'total_mcp_calls', 'mcp_calls'],
    ['egress_bytes', 'cumulative', 'byte', 'total_egress_bytes', 'egress_bytes'],
    ['ai_credits', 'cumulative', 'credit', 'total_ai_credits', 'ai_credits'],
    ['email_requests', 'cumulative', 'request', 'total_email_requests', 'email_requests'],
    ['function_calls', 'cumulative', 'call', 'total_function_calls', 'function_calls'],
    ['ec2_compute', 'cumulative', 'second', 'total_ec2_compute', 'ec2_compute'],
  ])
  for (const name of ['constructor', '__proto__', 'toString', 'database_bytes', 'AI_TOKENS', '']) expect(isMetricName(name)).toBe(false)
})
