import { type Groups, number, type Sheet, text } from './sheets.ts'

/** A row for each metric and set of labels. Usage without a label has no text there. */
export function groupsSheet(groups: Groups): Sheet {
  const keys = Object.keys(groups[0]?.values[0]?.labels ?? {})
  return {
    columns: [text('metric'), text('unit'), ...keys.map(text), number('usage')],
    rows: groups.flatMap(({ metric, unit, values }) =>
      values.map(({ labels, value }) => ({ cells: [metric, unit, ...keys.map((key) => labels[key] ?? ''), value.text] })),
    ),
  }
}
