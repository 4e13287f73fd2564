import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

/** The places where `root` names a file that does not exist: in code (comments and messages), documents and the Dockerfile. */
export function findMissingFileNames(root: string, folders: readonly string[]): string[] {
  const below = folders.flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path)))
  const paths = [...readdirSync(root), ...below]
  const texts = paths.filter((path) => /\.(?:ts|sql|md)$/.test(path) || path === 'Dockerfile')
  return texts.flatMap((path) => {
    const text = readFileSync(join(root, path), 'utf8')
    const names = [...namesIn(path.endsWith('.ts') ? text.replaceAll(RELATIVE_IMPORT, '') : text), ...(path.endsWith('.md') ? linksIn(path, text) : [])]
    return [...new Set(names)].filter((name) => !isName(name, { root, folders, paths })).map((name) => `${path} names ${name}`)
  })
}

/** The compiler checks these. */
const RELATIVE_IMPORT = /'\.{1,2}\/[^']*'/g
/** A path from the root or within a folder, or the bare name of a TypeScript file. */
const FILE_NAME = /(?<![\w/$*{.-])(?:\.\/)?((?:[A-Za-z][\w.-]*\/)+[\w.-]*\.(?:ts|sql|md|mjs|py|xml|yml)|[A-Za-z][\w-]*(?:\.test)?\.ts)\b(?!\()/g

function namesIn(text: string): string[] {
  return [...text.matchAll(FILE_NAME)].map((match) => match[1] ?? '').filter((name) => !name.includes('NNN_'))
}

/** Links of a document are relative to its folder. */
function linksIn(path: string, text: string): string[] {
  return [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map((match) => normalize(join(dirname(path), match[1] ?? '')))
}

/** A path from the root must exist exactly; a shorter name must be the end of the path of some file. */
function isName(name: string, { root, folders, paths }: { root: string; folders: readonly string[]; paths: readonly string[] }): boolean {
  if (folders.includes(name.split('/')[0] ?? '')) return existsSync(join(root, name))
  return existsSync(join(root, name)) || paths.some((path) => path.endsWith(`/${name}`))
}
