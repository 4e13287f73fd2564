import { expect, test } from 'vitest'
import { FilterBudget, IdentityFilter } from '../../../ingest/log/identity-filter.ts'
import { hashIdentity } from '../../../ingest/log/identity-hash.ts'

const MIB = 1024 * 1024
const hashOf = (index: number) => hashIdentity(`project-${index % 97}`, `event-${index}`)

function filled(identities: number, { identitiesExpected = 0, budget = new FilterBudget(64 * MIB) } = {}): IdentityFilter {
  const filter = new IdentityFilter({ identitiesExpected, budget })
  for (let index = 0; index < identities; index += 1) filter.add(hashOf(index))
  filter.complete = true
  return filter
}

test('an identity that was added never passes as new, whatever layer it is in', () => {
  const filter = filled(1_000_000)
  let missed = 0
  for (let index = 0; index < 1_000_000; index += 1) if (!filter.mayContain(hashOf(index))) missed += 1
  expect(missed).toBe(0)
})

test('fewer than 1 in 200 new identities must be looked up, and 1 in 60 while a grown filter waits for its renewal', () => {
  const lookedUp = (filter: IdentityFilter) => {
    let maybe = 0
    for (let index = 1_000_000; index < 1_200_000; index += 1) if (filter.mayContain(hashOf(index))) maybe += 1
    return maybe
  }
  expect(lookedUp(filled(1_000_000, { identitiesExpected: 1_000_000 }))).toBeLessThan(1_000)
  expect(lookedUp(filled(1_000_000))).toBeLessThan(3_333)
})

test('a filter uses its whole budget, however its layers grow', () => {
  const capacity = Math.floor((2 * MIB * 8) / 14)
  for (const identitiesExpected of [0, 700_000, 3_000_000]) {
    const filter = new IdentityFilter({ identitiesExpected, budget: new FilterBudget(2 * MIB) })
    let added = 0
    for (; !filter.full; added += 1) filter.add(added)
    expect(filter.bytes).toBe(2 * MIB)
    expect(added).toBeGreaterThan(capacity - 10)
  }
})

test('a filter that is incomplete, or whose memory is used up, answers maybe to everything', () => {
  const incomplete = new IdentityFilter({ identitiesExpected: 0, budget: new FilterBudget(MIB) })
  expect(incomplete.mayContain(hashOf(1))).toBe(true)
  const full = filled(700_000, { budget: new FilterBudget(MIB) })
  expect(full.full).toBe(true)
  expect(full.bytes).toBeLessThanOrEqual(MIB)
  expect(full.mayContain(hashOf(900_000_000))).toBe(true)
})

test('filters share one budget, and memory that one filter releases is available to another', () => {
  const budget = new FilterBudget(MIB)
  const one = filled(400_000, { budget })
  const other = filled(250_000, { budget })
  expect(one.bytes + other.bytes).toBeLessThanOrEqual(MIB)
  expect(other.full).toBe(true)
  one.release()
  expect(one.mayContain(hashOf(-1))).toBe(true)
  expect(filled(250_000, { budget }).full).toBe(false)
})

test('a million identities take at most 2.6 MB in several layers, and 2 MB after renewal', () => {
  for (const identities of [500_000, 1_000_000, 3_000_000]) {
    expect((filled(identities).bytes / identities) * 1e6).toBeLessThanOrEqual(2.6e6)
    const renewed = new IdentityFilter({ identitiesExpected: identities * 1.1, budget: new FilterBudget(64 * MIB) })
    expect((renewed.bytes / identities) * 1e6).toBeLessThanOrEqual(2e6)
  }
})
