import { open, readFile, rename } from 'node:fs/promises'
import { z } from 'zod'
import type { LastSlots } from '../../emitter/collectors/gaps.ts'
import { CliError, usageError } from '../errors.ts'

/** What was collected, so that the next collection knows what it missed. */
export interface Slots {
  readonly last: LastSlots
  /** By project: where the next collection of counts begins, ms since 1970. */
  readonly countedThroughMs: ReadonlyMap<string, number>
}

export const NO_SLOTS: Slots = { last: new Map(), countedThroughMs: new Map() }

const SavedSlots = z.object({
  version: z.literal(1),
  collector: z.string(),
  slot_ms: z.number(),
  last_slots: z.array(z.object({ project_id: z.string(), metric: z.string(), slot: z.iso.datetime() })),
  counted_through: z.array(z.object({ project_id: z.string(), until: z.iso.datetime() })),
})

/** What the slots are of. */
export interface SlotsOf {
  readonly collector: string
  readonly slotMs: number
}

/** Reads the file of --state; nothing is known if it does not exist. Throws CliError. */
export async function readSlots(path: string, { collector, slotMs }: SlotsOf): Promise<Slots> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new CliError(`The file ${path} of --state cannot be read (${error.message}).`)
  })
  if (text === undefined) return NO_SLOTS
  const saved = parse(text)
  if (saved === undefined)
    throw usageError(`The file ${path} of --state is not what "meterline collect" writes.`, 'Give a file that does not exist, or remove it.')
  if (saved.collector !== collector || saved.slot_ms !== slotMs)
    throw usageError(
      `The file ${path} of --state is of "collect ${saved.collector}" with slots of ${saved.slot_ms / 1000} s.`,
      'Each collector needs a file of its own. After a change of --slot, begin with a new file.',
    )
  const last = new Map<string, Map<string, string>>()
  for (const { project_id, metric, slot } of saved.last_slots) last.set(project_id, (last.get(project_id) ?? new Map<string, string>()).set(metric, slot))
  return { last, countedThroughMs: new Map(saved.counted_through.map(({ project_id, until }) => [project_id, Date.parse(until)])) }
}

/** Replaces the file as a whole: a kill leaves the old one or the new one. Throws CliError. */
export async function writeSlots(path: string, slots: Slots, { collector, slotMs }: SlotsOf): Promise<void> {
  const saved: z.output<typeof SavedSlots> = {
    version: 1,
    collector,
    slot_ms: slotMs,
    last_slots: [...slots.last].flatMap(([project_id, metrics]) => [...metrics].map(([metric, slot]) => ({ project_id, metric, slot }))),
    counted_through: [...slots.countedThroughMs].map(([project_id, ms]) => ({ project_id, until: new Date(ms).toISOString() })),
  }
  const temporary = `${path}.part`
  try {
    const handle = await open(temporary, 'w')
    try {
      await handle.writeFile(`${JSON.stringify(saved)}\n`)
      await handle.datasync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (cause) {
    throw new CliError(`The file ${path} of --state cannot be written (${cause instanceof Error ? cause.message : String(cause)}).`, undefined, {
      next: 'The samples were sent. Give a file in a directory that can be written.',
    })
  }
}

function parse(text: string): z.output<typeof SavedSlots> | undefined {
  try {
    return SavedSlots.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
