#!/usr/bin/env -S UV_THREADPOOL_SIZE=16 node --max-semi-space-size=64
// Events live for one batch: with a young generation of 64 MiB most of them are collected before they are copied.
// A statement of the embedded engine occupies one of Node's threads while it runs; with the default of 4, partitions would wait for each other.
import { existsSync } from 'node:fs'

const program = new URL('../dist/cli/meterline.js', import.meta.url)
if (!existsSync(program)) {
  console.error('Meterline is not built: run `npm run build` in its folder, or `npm ci`, which builds it too.')
  process.exit(1)
}
await import(program)
