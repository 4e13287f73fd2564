import { defineConfig } from 'vitest/config'

// One engine and one data directory per file: each file runs in a process of its own. Two at a time, as there are cores.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/support/engines/migrated-directory.ts',
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
  },
})
