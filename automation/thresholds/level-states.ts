import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** The last transition of a level in a month. A level without any is ok, and its next transition has the number 1. */
export interface LevelState {
  readonly state: 'alarm' | 'ok'
  readonly number: number
}

/** The stored states of levels: the transitions themselves, which are messages. */
export class LevelStates {
  readonly #states: ReadonlyMap<string, LevelState>

  private constructor(states: ReadonlyMap<string, LevelState>) {
    this.#states = states
  }

  /** Of these thresholds in all months. Throws StoreError. */
  static async read({ work }: ClickHouse, thresholdIds: readonly string[]): Promise<LevelStates> {
    const rows = await work.query(levelStates, { thresholdIds: [...thresholdIds] })
    return new LevelStates(new Map(rows.map(({ thresholdId, level, month, ...state }) => [keyOf(thresholdId, level, month), state])))
  }

  of(thresholdId: string, level: string, month: string): LevelState {
    return this.#states.get(keyOf(thresholdId, level, month)) ?? { state: 'ok', number: 0 }
  }
}

function keyOf(...parts: readonly string[]): string {
  return JSON.stringify(parts)
}

const levelStates = defineQuery({
  name: 'threshold_level_states',
  sql: `SELECT subject AS thresholdId, part AS level, month, last.1 AS number, last.2 AS state
        FROM (
          SELECT subject, part, month, max((number, toString(state))) AS last FROM webhook_messages_v1
          WHERE subject IN {thresholdIds: Array(String)} GROUP BY subject, part, month
        )`,
  params: z.object({ thresholdIds: z.array(z.string()) }),
  row: z.object({ thresholdId: z.string(), level: z.string(), month: z.string(), state: z.enum(['alarm', 'ok']), number: z.coerce.number() }),
})
