import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** The files below a directory that contain any of these texts or bytes. */
export function filesWith(directory: string, ...wanted: readonly (string | Buffer)[]): string[] {
  const needles = wanted.map((each) => Buffer.from(each))
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = join(directory, name)
    // A file may be gone by now, because the engine removes parts that it has merged.
    const bytes = statSync(path, { throwIfNoEntry: false })?.isFile() === true ? readFileSync(path) : undefined
    return bytes !== undefined && needles.some((needle) => bytes.includes(needle))
  })
}
