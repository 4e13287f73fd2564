import type { z } from 'zod'
import type { LabelledUsage } from '../../aggregator/usage/usage-by-labels.ts'
import type { Groups } from '../../contract/usage.ts'
import { OTHER_LABEL } from '../../metering/labels.ts'
import { NumberToken } from '../../metering/quantity.ts'

type Answer = NonNullable<z.output<typeof Groups>>

/** Usage by labels; a group without a label has null. */
export function groupsAnswer(keys: readonly string[], usage: readonly LabelledUsage[]): Answer {
  const labelsOf = (labels: readonly string[]) => Object.fromEntries(keys.map((key, index) => [key, labels[index] || null]))
  return usage.map(({ metric, kind, unit, groups, rest }) => ({
    metric,
    kind,
    unit,
    adds_up: kind !== 'peak',
    truncated: rest !== undefined,
    values: [
      ...groups.map(({ labels, value }) => ({ labels: labelsOf(labels), value: new NumberToken(value) })),
      ...(rest === undefined ? [] : [{ labels: Object.fromEntries(keys.map((key) => [key, OTHER_LABEL])), value: new NumberToken(rest) }]),
    ],
  }))
}
