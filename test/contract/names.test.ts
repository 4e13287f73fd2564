import { expect, test } from 'vitest'
import { CONNECT_USER } from '../../contract/co-branded.ts'
import { Name } from '../../contract/fields.ts'

test('a name is compared in NFC: it is the same however its accents are written', () => {
  expect(Name.parse(' Cafe\u0301 ')).toBe('Caf\u00e9')
  expect(Name.parse('Caf\u00e9')).toBe('Caf\u00e9')
})

test.each(['', ' ', '\u200b', '\u2060\ufeff', '\u3164', '\u2800', '\u0301', '\u00ad\u200d'])('a name without a visible character is rejected: %j', (name) => {
  expect(Name.safeParse(name).success).toBe(false)
})

test.each(['a\u202eb', 'x\u202d', '\u2066x\u2069', '\u202ax\u202c'])('a name that changes the direction of text is rejected: %j', (name) => {
  expect(Name.safeParse(name)).toMatchObject({ success: false, error: { issues: [{ message: expect.stringContaining('direction') }] } })
})

test.each(['!', '7', '漢字', 'שלום', '👩‍👩‍👧', '€', 'a\u200fb'])('a name of any script is accepted: %j', (name) => {
  expect(Name.parse(name)).toBe(name)
})

const emailOf = (email: string) => CONNECT_USER.body.safeParse({ name: 'x', email })

test.each([
  ['josé@example.com', 'josé@example.com'],
  ['JOSE\u0301@EXAMPLE.com', 'josé@example.com'],
  ['用户@例子.广告', '用户@例子.广告'],
  ['θσερ@εχαμπλε.ψομ', 'θσερ@εχαμπλε.ψομ'],
  ['user@xn--fsqu00a.xn--0zwm56d', 'user@xn--fsqu00a.xn--0zwm56d'],
  [' First.Last+tag@Example.co.uk ', 'first.last+tag@example.co.uk'],
])('an email address may be internationalised: %j is %j', (email, stored) => {
  expect(emailOf(email)).toMatchObject({ success: true, data: { email: stored } })
})

test.each([
  'nobody',
  '@example.com',
  'a@b',
  'a..b@example.com',
  '.a@example.com',
  'a@-b.com',
  'a b@example.com',
  'a@exa\u202emple.com',
  'a\u200b@example.com',
  'a@example.c',
  `${'é'.repeat(250)}@example.com`,
])('what is no email address is rejected: %j', (email) => {
  expect(emailOf(email).success).toBe(false)
})

test.each(['\u212aate@example.com', '\u212bsa@example.com', '\u03f4@example.com', '\u1e9e@example.com'])(
  'P5: a letter that shares its lower case with another one is rejected, because it would be the address of someone else: %j',
  (email) => {
    expect(emailOf(email).success).toBe(false)
  },
)
