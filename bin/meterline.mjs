#!/usr/bin/env -S UV_THREADPOOL_SIZE=16 node --max-semi-space-size=64
// Events live for one batch: with a young generation of 64 MiB most of them are collected before they are copied.
// A statement of the embedded engine occupies one of Node's threads while it runs; with the default of 4, partitions would wait for each other.
// Node 20 cannot run TypeScript; tsx can, without a build step.
import { register } from 'tsx/esm/api'

register()
await import('../cli/meterline.ts')
