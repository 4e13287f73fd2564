import { expect, test } from 'vitest'
import { hashIdentity, IdentityFilter } from '../../ingest/identity-filter.ts'

const MIB = 1024 * 1024
const hashOf = (index: number) => hashIdentity(`project-${index % 97}`, `event-${index}`)

function filled(identities: number, bytesMax = 64 * MIB): IdentityFilter {
  const filter = new IdentityFilter({ identitiesExpected: 0, bytesMax })
  for (let index = 0; index < identities; index += 1) filter.add(hashOf(index))
  filter.complete = true
  return filter
}

test('an identity that was added never passes as new, through every layer', () => {
  const filter = filled(1_000_000)
  let forgotten = 0
  for (let index = 0; index < 1_000_000; index += 1) if (!filter.mayHold(hashOf(index))) forgotten += 1
  expect(forgotten).toBe(0)
})

test('of new identities fewer than 1 in 200 must be looked up', () => {
  const filter = filled(1_000_000)
  let maybe = 0
  for (let index = 1_000_000; index < 1_200_000; index += 1) if (filter.mayHold(hashOf(index))) maybe += 1
  expect(maybe).toBeLessThan(1_000)
})

test('until it is complete, and once its memory is used up, it clears nothing', () => {
  const incomplete = new IdentityFilter({ identitiesExpected: 0, bytesMax: MIB })
  expect(incomplete.mayHold(hashOf(1))).toBe(true)
  const full = filled(700_000, MIB)
  expect(full.full).toBe(true)
  expect(full.bytes).toBeLessThanOrEqual(MIB)
  expect(full.mayHold(hashOf(900_000_000))).toBe(true)
})

test('the two fields of an identity are not joined: where one ends is part of the hash', () => {
  expect(hashIdentity('a-b', 'c')).not.toEqual(hashIdentity('a', 'b-c'))
  expect(hashIdentity('ab', 'c')).not.toEqual(hashIdentity('a', 'bc'))
})
