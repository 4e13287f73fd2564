import { z } from 'zod'
import { parsedBy, TrueOrFalse } from '../variable-schemas.ts'

const PROTOCOLS = ['http/protobuf', 'http/json'] as const
const SAMPLERS = ['always_on', 'always_off', 'traceidratio', 'parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio'] as const

const HttpUrl = z.string().refine((text) => URL.canParse(text) && /^https?:/.test(text), 'must be an http or https URL, such as http://localhost:4318')

/** `name=value` pairs, separated by commas, percent-encoded (the format of W3C Baggage, without properties). */
const Pairs = parsedBy(parsePairs, 'must be a list of name=value separated by commas, each percent-encoded')

function parsePairs(text: string): Record<string, string> | undefined {
  try {
    return Object.fromEntries(text.split(',').map(pairOf))
  } catch {
    return undefined
  }
}

/** Throws for a text that is no pair. */
function pairOf(text: string): [string, string] {
  const at = text.indexOf('=')
  const [name, value] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)].map((part) => decodeURIComponent(part.trim()))
  if (name === undefined || name === '' || value === undefined) throw new Error('There is no name.')
  return [name, value]
}

/** The standard variables of OpenTelemetry that this service knows, as far as their values have a meaning for it. */
export const TRACING_VARIABLES = {
  OTEL_SDK_DISABLED: TrueOrFalse.default(false).meta({ description: '`true` switches traces off, whatever the others say' }),
  OTEL_TRACES_EXPORTER: z
    .enum(['otlp', 'none'], 'must be otlp or none; this service has no other exporter')
    .optional()
    .meta({ description: '`otlp` or `none`. If unset, traces are exported if an endpoint is set' }),
  OTEL_EXPORTER_OTLP_ENDPOINT: HttpUrl.optional().meta({
    description: 'URL of the collector, to which `/v1/traces` is appended; with `OTEL_TRACES_EXPORTER=otlp` alone `http://localhost:4318`',
  }),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: HttpUrl.optional().meta({ description: 'URL for traces, used as it is, instead of the one above' }),
  OTEL_EXPORTER_OTLP_PROTOCOL: z
    .enum(PROTOCOLS, `must be one of ${PROTOCOLS.join(', ')}; this service does not export over gRPC`)
    .default('http/protobuf')
    .meta({ description: '`http/protobuf` or `http/json`; there is no gRPC' }),
  OTEL_EXPORTER_OTLP_HEADERS: Pairs.optional().meta({
    description: 'headers for the collector, such as its credential: `name=value`, separated by commas, percent-encoded. Never logged',
  }),
  OTEL_SERVICE_NAME: z.string().optional().meta({ description: '`service.name` of the traces; if unset, that of `OTEL_RESOURCE_ATTRIBUTES`, or `meterline`' }),
  OTEL_RESOURCE_ATTRIBUTES: Pairs.optional().meta({ description: 'further attributes of this process: `name=value`, separated by commas, percent-encoded' }),
  OTEL_BSP_SCHEDULE_DELAY: z
    .string()
    .regex(/^\d{1,6}$/, 'must be a number of milliseconds')
    .transform(Number)
    .default(5_000)
    .meta({ description: 'milliseconds between two exports' }),
  OTEL_TRACES_SAMPLER: z
    .enum(SAMPLERS, `must be one of ${SAMPLERS.join(', ')}`)
    .default('parentbased_always_on')
    .meta({
      description:
        'which requests and batches are traced: `always_on`, `always_off`, `traceidratio`, or one of these after `parentbased_`, with which a request whose caller does not trace it is not traced. The flag of a caller forces no trace; `traceidratio` decides by the trace id, which a caller may choose',
    }),
  OTEL_TRACES_SAMPLER_ARG: z
    .string()
    .regex(/^(?:0(?:\.\d{1,9})?|1(?:\.0{1,9})?)$/, 'must be a number from 0 to 1')
    .transform(Number)
    .default(1)
    .meta({ description: 'share of the traces of `traceidratio`, from 0 to 1' }),
}

type Variables = z.output<z.ZodObject<typeof TRACING_VARIABLES>>

export interface ExportOptions {
  readonly url: string
  readonly protocol: (typeof PROTOCOLS)[number]
  readonly headers: Readonly<Record<string, string>>
  readonly sampler: (typeof SAMPLERS)[number]
  readonly ratio: number
  readonly exportEveryMs: number
  /** Of the resource, which is this process. */
  readonly attributes: Readonly<Record<string, string>>
}

/** Undefined while traces are switched off, as they are without any of these variables. */
export function exportOptionsOf(config: Variables): ExportOptions | undefined {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: tracesEndpoint, OTEL_TRACES_EXPORTER: exporter } = config
  const isOn = exporter === 'otlp' || (exporter === undefined && (endpoint ?? tracesEndpoint) !== undefined)
  if (!isOn || config.OTEL_SDK_DISABLED) return undefined
  return {
    url: tracesEndpoint ?? `${(endpoint ?? 'http://localhost:4318').replace(/\/+$/, '')}/v1/traces`,
    protocol: config.OTEL_EXPORTER_OTLP_PROTOCOL,
    headers: config.OTEL_EXPORTER_OTLP_HEADERS ?? {},
    sampler: config.OTEL_TRACES_SAMPLER,
    ratio: config.OTEL_TRACES_SAMPLER_ARG,
    exportEveryMs: config.OTEL_BSP_SCHEDULE_DELAY,
    attributes: {
      'service.name': 'meterline',
      ...config.OTEL_RESOURCE_ATTRIBUTES,
      ...(config.OTEL_SERVICE_NAME && { 'service.name': config.OTEL_SERVICE_NAME }),
    },
  }
}
