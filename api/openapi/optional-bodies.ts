interface BodySchema {
  readonly default?: unknown
  readonly type?: unknown
  readonly anyOf?: readonly BodySchema[]
}

interface Operation {
  readonly requestBody?: { required?: boolean; readonly content: Readonly<Record<string, { readonly schema?: BodySchema }>> }
}

/** A body that may be null may be missing too. The generator does not know that and marks every body as required. */
export function withOptionalBodies<T extends { readonly paths?: object }>(described: T): T {
  for (const operations of Object.values(described.paths ?? {}) as Record<string, Operation>[]) {
    for (const { requestBody } of Object.values(operations)) {
      if (requestBody !== undefined && Object.values(requestBody.content).some(({ schema }) => mayBeMissing(schema))) requestBody.required = false
    }
  }
  return described
}

function mayBeMissing(schema: BodySchema | undefined): boolean {
  return schema !== undefined && (schema.default !== undefined || schema.type === 'null' || schema.anyOf?.some(mayBeMissing) === true)
}
