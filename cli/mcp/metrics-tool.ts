import { z } from 'zod'
import { LIST_METRICS, LIST_OWN_METRICS } from '../../contract/metrics.ts'
import { requirePartnerId } from '../connection/connect.ts'
import { callForText } from '../http-client.ts'
import { defineTool } from './tool.ts'
import { readTexts } from './tool-answer.ts'

export const metrics = defineTool({
  name: 'metrics',
  title: 'Metrics',
  description:
    'All metrics that are counted, with kind, unit and what they mean: the nine documented ones, and those that operators have defined, which usage answers have under "metrics".',
  kinds: ['partner', 'admin'],
  input: z.strictObject({}),
  run: async (connection) => {
    const { text } =
      connection.credential.kind === 'admin'
        ? await callForText(connection, LIST_METRICS, {})
        : await callForText(connection, LIST_OWN_METRICS, { params: { partnerId: requirePartnerId(connection) } })
    return { answer: { period: null, as_of: null, status: 'defined', metrics: [], result: readTexts(text) } }
  },
})
