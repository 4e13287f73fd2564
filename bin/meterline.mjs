#!/usr/bin/env node
// Node 20 does not read TypeScript by itself; tsx does, without a build.
import { register } from 'tsx/esm/api'

register()
await import('../cli/meterline.ts')
