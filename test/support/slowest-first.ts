import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * The files that take longest, in the order in which they start: the last one to start should be a short one, or workers wait for it. Chaos
 * and the test of six processes have time limits and use both cores, so they do not start together.
 */
const SLOWEST = [
  'test/chaos/chaos.test.ts',
  'test/api/openapi/schemathesis.test.ts',
  'test/ingest/kafka/crash-points.test.ts',
  'test/service/shards/move.test.ts',
  'test/service/shards/same-answers.test.ts',
  'test/operating/shards.test.ts',
  'test/service/shards/repairs.test.ts',
  'test/aggregator/statements/close-crash.test.ts',
  'test/service/start.test.ts',
  'test/aggregator/statements/close-random.test.ts',
  'test/service/processes.test.ts',
  'test/ingest/kafka/interleavings.test.ts',
]

/** Vitest's own order, with the slowest files in front: without times of an earlier run, it goes by the size of a file. */
export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).toSorted((one, other) => placeOf(one) - placeOf(other))
  }
}

function placeOf({ moduleId }: TestSpecification): number {
  const place = SLOWEST.findIndex((path) => moduleId.endsWith(`/${path}`))
  return place === -1 ? SLOWEST.length : place
}
