import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const ROUTES = new URL('../../../api/routes/', import.meta.url)

/** Routes of other roles that read everything there is on purpose. */
const READ_EVERYTHING = {
  closeMonthRoute: 'FINANCE: closing recounts a whole month',
  resendRejectedEvents: 'EMITTER_MANAGER: resubmits given events',
}

test('only routes of operators, and the listed ones, get the unlimited store', () => {
  const unlimited = readdirSync(ROUTES).flatMap((file) => {
    const functions = readFileSync(new URL(file, ROUTES), 'utf8').split(/^(?=export function )/m)
    return functions.flatMap((text) => {
      const name = /^export function (\w+)\([^)]*: OperatorContext/.exec(text)?.[1]
      const access = /access: (\w+)/.exec(text)?.[1]
      return name === undefined || access === 'OPERATOR' || access === 'ADMIN_TOKEN_ONLY' ? [] : [name]
    })
  })
  expect(unlimited.sort()).toEqual(Object.keys(READ_EVERYTHING).sort())
})
