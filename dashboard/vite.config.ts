import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { defineConfig, type Plugin } from 'vite'

const OUTPUT = fileURLToPath(new URL('../dist/dashboard/', import.meta.url))

/** Builds the pages into dist/dashboard. With a relative base they work behind a path prefix too. */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: OUTPUT,
    emptyOutDir: true,
    // The polyfill would only serve browsers that lack what the pages need anyway.
    modulePreload: { polyfill: false },
    // An inlined asset would be a data: URL, which only images may be.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  plugins: [compressAssets()],
})

/** The service sends the compressed files as they are. */
function compressAssets(): Plugin {
  return {
    name: 'compress-assets',
    closeBundle() {
      const folder = `${OUTPUT}assets/`
      for (const name of readdirSync(folder)) {
        const bytes = readFileSync(folder + name)
        writeFileSync(`${folder}${name}.br`, brotliCompressSync(bytes))
        writeFileSync(`${folder}${name}.gz`, gzipSync(bytes, { level: 9 }))
      }
    },
  }
}
