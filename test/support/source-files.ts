import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface SourceFile {
  readonly path: string
  readonly module: string
  readonly text: string
  readonly imports: readonly string[]
}

const NOT_OURS = ['node_modules', 'data', 'coverage', 'dist']

/** The folders with the code of the project. */
export const FOLDERS = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !NOT_OURS.includes(entry.name))
  .map(({ name }) => name)

/** Every TypeScript file of the project. */
export function readSources(): SourceFile[] {
  return FOLDERS.flatMap((name) => readdirSync(join(ROOT, name), { recursive: true, encoding: 'utf8' }).map((path) => join(name, path)))
    .filter((path) => /\.tsx?$/.test(path))
    .sort()
    .map(readSource)
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const imports = [...text.matchAll(/^(?:import|export)\s[^'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm)]
  return { path, module: path.split('/')[0] ?? '', text, imports: imports.map((match) => match[1] ?? match[2] ?? match[3] ?? '') }
}

export function pathOf({ path }: SourceFile): string {
  return path
}
