import type { Dirent } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Collection, ProjectOf } from './collection.ts'
import { ProjectSizes, type SlotOptions } from './project-sizes.ts'

export interface FolderOptions extends SlotOptions {
  readonly folder: string
  /** The project of a subfolder's name. */
  readonly projectOf: ProjectOf
}

/**
 * Samples the bytes of the files in each subfolder of a folder. Links are not followed, and a file with several names in one subfolder is added
 * once. What is removed meanwhile is not added. Throws Error if the folder itself cannot be read.
 */
export async function collectFolderSizes({ folder, projectOf, slotMs, nowMs }: FolderOptions): Promise<Collection> {
  const sizes = new ProjectSizes({ metric: 'file_storage_bytes', projectOf, slotMs, nowMs })
  for (const { name } of (await entriesOf(folder)).filter((entry) => entry.isDirectory())) {
    if (!sizes.has(name)) continue
    try {
      sizes.add(name, await sizeOf(join(folder, name), new Set()))
    } catch (error) {
      sizes.addUnknown(name, `The folder cannot be read (${error instanceof Error ? error.message : String(error)}).`)
    }
  }
  return sizes.collection()
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new Error(`There is no folder ${folder}.`, { cause })
    if (code === 'ENOTDIR') throw new Error(`${folder} is not a folder.`, { cause })
    throw new Error(`The folder ${folder} cannot be read (${code ?? message}).`, { cause })
  }
}

async function sizeOf(folder: string, counted: Set<string>): Promise<bigint> {
  let bytes = 0n
  for (const entry of (await orRemoved(readdir(folder, { withFileTypes: true }))) ?? []) {
    const path = join(folder, entry.name)
    bytes += entry.isDirectory() ? await sizeOf(path, counted) : await fileSize(path, entry, counted)
  }
  return bytes
}

async function fileSize(path: string, entry: Dirent, counted: Set<string>): Promise<bigint> {
  if (!entry.isFile()) return 0n
  const found = await orRemoved(lstat(path, { bigint: true }))
  if (found === undefined) return 0n
  if (found.nlink > 1n) {
    const inode = `${found.dev}:${found.ino}`
    if (counted.has(inode)) return 0n
    counted.add(inode)
  }
  return found.size
}

async function orRemoved<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
