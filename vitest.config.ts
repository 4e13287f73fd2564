import { defineConfig } from 'vitest/config'
import { SlowestFirst } from './test/support/slowest-first.ts'

// One engine and one data directory per file: each file runs in a process of its own. CI has two cores; a third process uses them while
// others wait for a broker or a time-out.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/support/engines/migrated-directory.ts',
    pool: 'forks',
    maxWorkers: 3,
    sequence: { sequencer: SlowestFirst },
    // Guards against a hang, and no measurement: CI machines differ by a factor of three, and the files of three workers share two cores.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    teardownTimeout: 20_000,
  },
})
