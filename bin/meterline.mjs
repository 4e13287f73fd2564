#!/usr/bin/env -S UV_THREADPOOL_SIZE=16 node --max-semi-space-size=64
// The events of a few requests live for one batch: in a young generation of 64 MiB most of them die before they are copied.
// A statement of the embedded engine holds one of Node's threads while it runs; with the default of 4, partitions would wait for each other.
// Node 20 does not read TypeScript by itself; tsx does, without a build.
import { register } from 'tsx/esm/api'

register()
await import('../cli/meterline.ts')
