/**
 * The example programs of the partner API documentation, as partners use them, except for the host and the formatting. Their
 * surroundings are parameters. Partners do not change such programs, so the service must stay compatible with them.
 */

interface Answer {
  readonly ok: boolean
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: the programs read answers without checking their shape
  json(): Promise<any>
}

type Fetch = (url: string, init?: RequestInit) => Promise<Answer>
interface Log {
  log(...words: unknown[]): void
}

export interface ProgramEnvironment {
  readonly PARTNER_ID: string
  readonly SECRET_KEY: string
  readonly fetch: Fetch
  readonly console: Log
}

export function coBrandedProgram({ PARTNER_ID, SECRET_KEY, fetch, console }: ProgramEnvironment) {
  // 1. Connect user account
  const connectUser = async (name: string, email: string) => {
    const response = await fetch(`https://api.example.com/partnership/v1/${PARTNER_ID}/connect-user`, {
      method: 'POST',
      headers: {
        'X-Partnership-Secret': `${SECRET_KEY}`,
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({ name, email }),
    })
    const { account } = await response.json()
    return account.id
  }
  // 2. Create project for user
  const createProject = async (userId: string, projectName: string) => {
    const response = await fetch(`https://api.example.com/partnership/v1/${PARTNER_ID}/${userId}/sync-project`, {
      method: 'POST',
      headers: {
        'X-Partnership-Secret': `${SECRET_KEY}`,
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({
        project_name: projectName,
        region: 'us-east',
        instance_type: 'nano',
      }),
    })
    const data = await response.json()
    if (data.success) {
      return data.project
    }
    throw new Error(data.message)
  }
  // 3. Use project credentials
  const useCredentials = (project: { access_host: string; api_key: string }) => {
    console.log(project.access_host)
    console.log(project.api_key)
  }
  return { connectUser, createProject, useCredentials }
}

export function whiteLabelProgram({ PARTNER_ID, SECRET_KEY, fetch, console }: ProgramEnvironment) {
  // 1. Create embedded project
  const createEmbeddedProject = async (projectName: string) => {
    const response = await fetch(`https://api.example.com/partnership/v1/${PARTNER_ID}/sync-embedded-project`, {
      method: 'POST',
      headers: {
        'X-Partnership-Secret': `${SECRET_KEY}`,
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({
        project_name: projectName,
        region: 'eu-west',
        instance_type: 'small',
      }),
    })
    const data = await response.json()
    if (data.success) {
      return data.project
    }
    throw new Error(data.message)
  }
  // 2. Manage project lifecycle
  const pauseProject = async (projectId: string) => {
    const response = await fetch(`https://api.example.com/partnership/v1/${PARTNER_ID}/${projectId}/pause`, {
      method: 'POST',
      headers: {
        'X-Partnership-Secret': `${SECRET_KEY}`,
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({
        wait_for_completion: true,
      }),
    })
    const { project } = await response.json()
    console.log(`Project ${project.id} status: ${project.status}`)
  }
  const restoreProject = async (projectId: string) => {
    const response = await fetch(`https://api.example.com/partnership/v1/${PARTNER_ID}/${projectId}/restore`, {
      method: 'POST',
      headers: {
        'X-Partnership-Secret': `${SECRET_KEY}`,
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({
        wait_for_completion: true,
      }),
    })
    const { project } = await response.json()
    console.log(`Project ${project.id} status: ${project.status}`)
  }
  // 3. Delete project
  const deleteProject = async (projectId: string) => {
    const response = await fetch(`https://api.example.com/partnership/v1/${PARTNER_ID}/${projectId}`, {
      method: 'DELETE',
      headers: {
        'X-Partnership-Secret': `${SECRET_KEY}`,
      },
    })
    if (response.ok) {
      const data = await response.json()
      console.log(data.message) // "Project deleted successfully"
      console.log(`Request ID: ${data.requestId}`)
    } else {
      throw new Error(`Failed to delete project: ${response.status}`)
    }
  }
  // 4. Get partnership total usage (for billing)
  const getPartnershipUsage = async (startDate: string, endDate: string) => {
    const params = new URLSearchParams({ start_date: startDate, end_date: endDate })
    const response = await fetch(`https://api.example.com/partnership/v1/${PARTNER_ID}/usage?${params}`, {
      method: 'GET',
      headers: {
        'X-Partnership-Secret': `${SECRET_KEY}`,
      },
    })
    const data = await response.json()
    console.log(`Period: ${data.period.start} to ${data.period.end}`)
    console.log(`Database: ${data.summary.database_bytes} bytes (peak)`)
    console.log(`Storage: ${data.summary.storage_bytes} bytes (peak)`)
    console.log(`AI Credits: ${data.summary.ai_credits}`)
    console.log(`Egress: ${data.summary.egress_bytes} bytes`)
    return data
  }
  return { createEmbeddedProject, pauseProject, restoreProject, deleteProject, getPartnershipUsage }
}
