// Reads an answer as Qovery's generated Go client does, which the TypeScript one does not: a word that it does not know, a
// key that must be there and is not, or a date without a zone, and the whole answer is rejected. Further keys are none of
// its business.
const fail = (at, value, what) => {
  throw new Error(`${at} is ${JSON.stringify(value)}, not ${what}`)
}
const matching = (pattern, what) => (value, at) => typeof value === 'string' && pattern.test(value) || fail(at, value, what)
const typed = type => (value, at) => typeof value === type || fail(at, value, type)
const [text, bool, number] = [typed('string'), typed('boolean'), typed('number')]
const whole = (value, at) => Number.isInteger(value) || fail(at, value, 'a whole number')
const uuid = matching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, 'a UUID')
const date = matching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/, 'a date with a zone')
const word = words => (value, at) => words.split(' ').includes(value) || fail(at, value, `one of ${words}`)
const list = of => (value, at) => {
  if (!Array.isArray(value)) fail(at, value, 'an array')
  value.forEach((one, index) => of(one, `${at}[${index}]`))
}
const nullable = of => (value, at) => value === null || of(value, at)
const object = (required, optional = {}) => (value, at) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(at, value, 'an object')
  for (const [key, of] of Object.entries(required)) {
    if (!(key in value)) fail(at, value, `an object with ${key}`)
    of(value[key], `${at}.${key}`)
  }
  for (const [key, of] of Object.entries(optional)) if (value[key] != null) of(value[key], `${at}.${key}`)
}
const results = of => object({}, { results: list(of) })
const either = schemas => (value, at) => {
  const fits = schemas.filter(schema => {
    try {
      schema(value, at)
      return true
    } catch {
      return false
    }
  })
  if (fits.length !== 1) fail(at, value, `one of ${schemas.length} and no other, but ${fits.length}`)
}

const state = word(
  'BUILDING BUILD_ERROR CANCELED CANCELING DELETED DELETE_ERROR DELETE_QUEUED DELETING DEPLOYED DEPLOYING DEPLOYMENT_ERROR DEPLOYMENT_QUEUED EXECUTING QUEUED READY RECAP RESTARTED RESTARTING RESTART_ERROR RESTART_QUEUED STOPPED STOPPING STOP_ERROR STOP_QUEUED WAITING_DELETING WAITING_RESTARTING WAITING_RUNNING WAITING_STOPPING'
)
const freshness = word('NEVER_DEPLOYED OUT_OF_DATE UP_TO_DATE')
const origin = word('API CLI CONSOLE GIT QOVERY_INTERNAL SKILL TERRAFORM_PROVIDER')
const service = word('APPLICATION DATABASE CONTAINER JOB HELM TERRAFORM ARGOCD_APP AGENTIC_WORKFLOW')
const details = object({
  action: word('DEPLOY DELETE RESTART STOP UNKNOWN'),
  status: word('QUEUED ONGOING SUCCESS ERROR EXECUTING CANCELED CANCELING NEVER'),
  sub_action: word('NONE TERRAFORM_PLAN_ONLY TERRAFORM_PLAN_AND_APPLY TERRAFORM_DESTROY TERRAFORM_FORCE_UNLOCK_STATE TERRAFORM_MIGRATE_STATE')
})
const step = object({}, {
  step_name: word('REGISTRY_CREATE_REPOSITORY GIT_CLONE BUILD_QUEUEING BUILD DEPLOYMENT_QUEUEING DEPLOYMENT ROUTER_DEPLOYMENT MIRROR_IMAGE EXECUTING'),
  status: word('SUCCESS ERROR CANCEL SKIP'),
  duration_sec: whole
})
const steps = object({ total_duration_sec: nullable(whole), total_computing_duration_sec: whole, details: list(step) })
const status = object(
  {
    id: uuid,
    state,
    service_deployment_status: freshness,
    is_part_last_deployment: bool,
    status_details: details,
    deployment_request_id: nullable(uuid),
    deployment_requests_count: whole
  },
  { last_deployment_date: date, steps, execution_id: text }
)
const registry = object({
  id: uuid,
  name: text,
  url: text,
  kind: word('ECR SCALEWAY_CR DOCKER_HUB GITHUB_CR GITHUB_ENTERPRISE_CR GITLAB_CR PUBLIC_ECR DOCR GENERIC_CR GCP_ARTIFACT_REGISTRY AZURE_CR')
})
const image = object({ image_name: text, tag: text, registry }, { registry_id: text })
const repository = object(
  { provider: word('BITBUCKET GITHUB GITLAB'), owner: text, name: text, url: text },
  { branch: text, root_path: text, deployed_commit_id: text }
)
// A key counts as there even if it is null.
const source = either([
  object({ image }),
  object({ docker: object({}, { git_repository: repository, dockerfile_path: text, docker_target_build_stage: text }) })
])
const command = object({}, { arguments: list(text), entrypoint: text })
const schedule = {
  LIFECYCLE: object({}, { on_start: command, on_stop: command, on_delete: command, lifecycle_type: word('GENERIC TERRAFORM CLOUDFORMATION') }),
  CRON: object({ cronjob: object({ timezone: text, scheduled_at: text }, { arguments: list(text), entrypoint: text }) })
}
const job = (value, at) => {
  object(
    {
      id: uuid, created_at: date, environment: object({ id: uuid }), maximum_cpu: whole, maximum_memory: whole, maximum_gpu: whole,
      name: text, cpu: whole, memory: whole, gpu: whole, auto_preview: bool, source, healthchecks: object({}), icon_uri: text,
      service_type: service, job_type: word('LIFECYCLE CRON'), schedule: object({})
    },
    { updated_at: date, description: text, max_nb_restart: whole, max_duration_seconds: whole, port: whole, auto_deploy: bool }
  )(value, at)
  schedule[value.job_type](value.schedule, `${at}.schedule`)
}
const commit = object(
  { git_commit_id: text, created_at: date, author_name: text, message: text, tag: text },
  { author_avatar_url: text, commit_page_url: text }
)
const occurrence = object({}, { event: word('ON_START ON_STOP ON_DELETE CRON'), schedule_at: text })
const page = of => object({ page: number, page_size: number }, { results: list(of) })
const first = object(
  { id: uuid, created_at: date },
  { updated_at: date, name: text, status: state, image_name: text, tag: text, commit, schedule: occurrence, arguments: list(text), entrypoint: text }
)
const past = object({ arguments: list(text) }, { entrypoint: text })
const cron = object({ arguments: list(text), scheduled_at: text, timezone: text }, { entrypoint: text })
const second = object(
  {
    identifier: object({ name: text, service_id: uuid, service_type: service }, { execution_id: text }),
    status: state,
    auditing_data: object({ created_at: date, updated_at: date, triggered_by: text }, { origin }),
    details: object(
      { image_name: text, tag: text, job_type: word('CRON LIFECYCLE') },
      {
        commit, build_pod_name: text,
        schedule: object({}, { on_start: past, on_stop: past, on_delete: past, cron_job: cron, lifecycle_type: word('GENERIC TERRAFORM CLOUDFORMATION') })
      }
    ),
    icon_uri: text,
    status_details: details
  },
  { total_duration: matching(/^PT\d+S$/, 'a duration') }
)
const environment = object(
  { id: uuid, state, last_deployment_state: state },
  {
    last_deployment_date: date, last_deployment_id: text, total_deployment_duration_in_seconds: whole, origin, triggered_by: text,
    deployment_status: freshness, deployment_request_id: uuid
  }
)
const statuses = object({
  environment, applications: list(status), containers: list(status), jobs: list(status), databases: list(status),
  helms: list(status), terraforms: list(status)
})
const reference = object({ id: uuid })
const plan = word('FREE TEAM TEAM_YEARLY ENTERPRISE ENTERPRISE_YEARLY PROFESSIONAL BUSINESS USER_2025 TEAM_2025 BUSINESS_2025 ENTERPRISE_2025')
const answers = [
  ['GET', /^\/job\/[^/]+$/, 200, job],
  ['GET', /^\/job\/[^/]+\/status$/, 200, status],
  ['POST', /^\/job\/[^/]+\/(deploy|redeploy|stop|uninstall)$/, 202, status],
  ['POST', /^\/job\/[^/]+\/uninstall$/, 204, value => value === '' || fail('the body', value, 'empty')],
  ['GET', /^\/job\/[^/]+\/deploymentHistory$/, 200, page(first)],
  ['GET', /^\/job\/[^/]+\/deploymentHistoryV2$/, 200, page(second)],
  ['POST', /^\/job\/[^/]+\/cleanFailedJob$/, 200, object({}, { clean_kubernetes_jobs: list(text) })],
  ['GET', /^\/environment\/[^/]+\/job$/, 200, results(job)],
  ['GET', /^\/environment\/[^/]+\/job\/status$/, 200, results(status)],
  ['GET', /^\/environment\/[^/]+\/status$/, 200, environment],
  ['POST', /^\/environment\/[^/]+\/(service\/deploy|cancelDeployment)$/, 202, environment],
  ['GET', /^\/environment\/[^/]+\/statuses$/, 200, statuses],
  ['GET', /^\/organization$/, 200, results(object({ id: uuid, created_at: date, name: text, plan }))],
  ['GET', /^\/organization\/[^/]+\/project$/, 200, results(object({ id: uuid, created_at: date, name: text, associated_environments_count: whole, organization: reference }))],
  ['GET', /^\/project\/[^/]+\/environment$/, 200, results(object({ id: uuid, created_at: date, name: text, organization: reference, project: reference, cloud_provider: object({}), mode: word('DEVELOPMENT PREVIEW PRODUCTION STAGING'), cluster_id: uuid }))]
]
const problem = object({ status: whole, detail: text })

// Throws if the client would have rejected it; says how it is called.
export function decode(method, url, code, kind, body) {
  const path = new URL(url, 'http://localhost').pathname
  const at = `${method} ${path} ${code}`
  if (code !== 204 && !/^application\/json/.test(kind)) throw new Error(`${at} has the content type ${kind}`)
  if (code >= 400) return problem(body, at)
  const found = answers.find(([verb, pattern, wanted]) => verb === method && pattern.test(path) && wanted === code)
  if (!found) throw new Error(`${at} is in no document`)
  found[3](body, at)
}
