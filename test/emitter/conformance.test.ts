import { expect, test } from 'vitest'
import { readConformance } from '../support/emitter/conformance-case.ts'
import { runCase } from '../support/emitter/run-case.ts'

const conformance = readConformance()

test.each(conformance.cases)('conformance: $name', async (each) => {
  const results = await runCase(each, conformance)
  for (const [index, { expected, happened }] of results.entries()) expect(happened, `step ${index + 1}: ${JSON.stringify(each.steps[index])}`).toEqual(expected)
})
