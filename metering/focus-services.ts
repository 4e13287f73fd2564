/**
 * How FOCUS (1.2 and 1.3 alike) classifies a service. `category` and `subcategory` are of its closed lists (columns ServiceCategory and
 * ServiceSubcategory); a service has one category, so services are named after what they do.
 */
export interface FocusService {
  readonly name: string
  readonly category: string
  readonly subcategory: string
}

export const FOCUS_SERVICES = {
  database: { name: 'Database', category: 'Databases', subcategory: 'Other (Databases)' },
  fileStorage: { name: 'File Storage', category: 'Storage', subcategory: 'File Storage' },
  ai: { name: 'AI', category: 'AI and Machine Learning', subcategory: 'Generative AI' },
  mcp: { name: 'MCP', category: 'Integration', subcategory: 'Other (Integration)' },
  dataTransfer: { name: 'Data Transfer', category: 'Networking', subcategory: 'Other (Networking)' },
  email: { name: 'Email', category: 'Integration', subcategory: 'Messaging' },
  functions: { name: 'Functions', category: 'Compute', subcategory: 'Serverless Compute' },
  compute: { name: 'Compute', category: 'Compute', subcategory: 'Virtual Machines' },
} as const satisfies Record<string, FocusService>

/** A metric of a closed month that is no longer in the catalogue. */
export const UNKNOWN_FOCUS_SERVICE: FocusService = { name: 'Other', category: 'Other', subcategory: 'Other (Other)' }

/** Units in the form that FOCUS requires (attribute Unit Format): its own abbreviations, and otherwise capitalized plurals. */
export const FOCUS_UNITS = { byte: 'B', token: 'Tokens', call: 'Calls', credit: 'Credits', request: 'Requests', second: 'Seconds' } as const

export type Unit = keyof typeof FOCUS_UNITS
