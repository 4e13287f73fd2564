import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundleEntry, ENTRIES } from './bundle.ts'

/** Writes the package @meterline/emitter, ready for `npm publish`, to dist/packages/emitter or to the folder that is given. */
const HERE = dirname(fileURLToPath(import.meta.url))
const target = process.argv[2] ?? join(HERE, '../dist/packages/emitter')

rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })
for (const entry of Object.keys(ENTRIES) as (keyof typeof ENTRIES)[]) writeFileSync(join(target, `${entry}.js`), await bundleEntry(entry))
for (const file of ['package.json', 'conformance.json', 'README.md', '../LICENSE']) cpSync(join(HERE, file), join(target, file.replace('../', '')))
writeTypes(join(target, 'types'))

/** The compiler leaves the .ts of imports in declarations, where users of the package have only .d.ts files. */
function writeTypes(folder: string): void {
  const compiler = join(HERE, '../node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [compiler, '--project', join(HERE, 'tsconfig.json'), '--outDir', folder], { stdio: 'inherit' })
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((each) => each.endsWith('.d.ts'))) {
    const path = join(folder, name)
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/(from '\.[^']*)\.ts'/g, "$1.js'"))
  }
}
