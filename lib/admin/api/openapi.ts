// The description of the control API (OpenAPI 3.1), from the table that the router obeys.
import { z } from 'zod';
import type { Call } from './call.js';

const schemaOf = (schema: z.ZodType): object => {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return json;
};

const PROBLEM = {
  type: 'object',
  required: ['title', 'status', 'code', 'detail'],
  properties: {
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', description: 'ERR_SHARDNS_...' },
    detail: { type: 'string', description: 'What is wrong, naming the value.' },
  },
};

function operationOf(call: Call): object {
  const { summary, scope, query, body, answers, example } = call;
  const problem = { description: 'What is wrong', content: { 'application/problem+json': { schema: PROBLEM } } };
  const examples = new URLSearchParams(example.query ?? '');
  return {
    summary,
    security: scope === 'open' ? [] : [{ token: [scope] }],
    parameters: [
      ...[...call.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
        name,
        in: 'path',
        required: true,
        schema: { type: 'string' },
      })),
      ...Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
        name,
        in: 'query',
        required: !(schema as z.ZodType).safeParse(undefined).success,
        schema: schemaOf(schema as z.ZodType),
        ...(examples.has(name) ? { example: examples.get(name) } : {}),
      })),
    ],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: schemaOf(body), example: example.body } },
          },
        }),
    responses: { 200: { description: summary, content: { [answers]: {} } }, default: problem },
  };
}

export function openApi(calls: readonly Call[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const call of calls) (paths[call.path] ??= {})[call.method.toLowerCase()] = operationOf(call);
  return {
    openapi: '3.1.0',
    info: { title: 'shardns control API', version },
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    paths,
  };
}
