import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** The entries of @meterline/emitter. Only the spool and the collectors use Node. */
export const ENTRIES = { emitter: 'emitter.ts', kafka: 'kafka-topic.ts', spool: 'spool/disk-spool.ts', collectors: 'collectors/collectors.ts' } as const
const FOR_NODE: readonly string[] = ['spool', 'collectors']

/** One JavaScript file for an entry, minified. With `globalName` it is a script that assigns the entry's exports to this name. */
export async function bundleEntry(entry: keyof typeof ENTRIES, globalName?: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(ENTRIES[entry], import.meta.url))],
    bundle: true,
    minify: true,
    // With the platform neutral, an import of a Node module fails the build.
    platform: FOR_NODE.includes(entry) ? 'node' : 'neutral',
    target: 'es2022',
    write: false,
    ...(globalName === undefined ? { format: 'esm' } : { format: 'iife', globalName }),
  })
  return outputFiles[0]?.text ?? ''
}
