import type { Examples } from './refusals.ts'

const SECRET_ID = '1d4e7a90-3b5c-4f6d-8e7f-9a0b1c2d3e4f'

export const OPERATION_EXAMPLES: Examples = {
  'GET /api/secrets': {
    answers: {
      200: {
        secrets: [
          {
            id: SECRET_ID,
            key: 'STRIPE_WEBHOOK_KEY',
            isActive: true,
            isReserved: false,
            createdAt: '2026-01-02T08:00:00.000Z',
            updatedAt: '2026-01-02T08:00:00.000Z',
            expiresAt: null,
          },
        ],
      },
    },
  },
  'POST /api/secrets': {
    request: { key: 'STRIPE_WEBHOOK_KEY', value: 'EXAMPLE', expiresAt: '2027-01-01T00:00:00Z' },
    answers: { 201: { success: true, message: 'Secret STRIPE_WEBHOOK_KEY has been created successfully', id: SECRET_ID } },
  },
  'GET /api/secrets/{key}': { answers: { 200: { key: 'STRIPE_WEBHOOK_KEY', value: 'EXAMPLE' } } },
  'PUT /api/secrets/{key}': {
    request: { value: 'ANOTHER_EXAMPLE' },
    answers: { 200: { success: true, message: 'Secret STRIPE_WEBHOOK_KEY has been updated successfully' } },
  },
  'DELETE /api/secrets/{key}': { answers: { 200: { success: true, message: 'Secret STRIPE_WEBHOOK_KEY has been deleted successfully' } } },
}
