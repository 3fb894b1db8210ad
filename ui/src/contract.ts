// The shapes of docs/api.md, in its order.

export type Permission =
  | 'overview.read'
  | 'calls.read'
  | 'bodies.read'
  | 'keys.read'
  | 'keys.write'
  | 'upstreams.read'
  | 'audit.read'
  | 'metrics.read'
  | 'alerts.read'
  | 'silences.write';

export interface Session {
  user: string;
  role: string;
  permissions: Permission[];
  csrf: string;
  has_password: boolean;
  expires_at_ms: number;
  version: string;
  config: { ok: boolean; message: string | null; since_at_ms: number };
  bodies_kept: boolean;
  base_url: string;
}

export interface Tokens {
  input: number;
  cached_input: number;
  output: number;
  reasoning: number;
}

export type Health = 'healthy' | 'degraded' | 'unhealthy' | 'unknown';
export type Breaker = 'closed' | 'open' | 'half_open';

export interface UpstreamBrief {
  name: string;
  health: Health;
  breaker: Breaker;
  reason: string | null;
  in_flight: number;
  error_ratio: number | null;
  ttft_p95_ms: number | null;
}

export interface Checklist {
  upstream_configured: boolean;
  model_configured: boolean;
  key_created: boolean;
  first_call: boolean;
  password_set: boolean;
}

export interface Overview {
  now_at_ms: number;
  range_ms: number;
  step_ms: number;
  calls: number;
  calls_per_second: number;
  errors: number;
  refused: number;
  error_ratio: number | null;
  ttft_p50_ms: number | null;
  ttft_p95_ms: number | null;
  in_flight: number;
  previous: {
    calls_per_second: number;
    error_ratio: number | null;
    ttft_p95_ms: number | null;
  } | null;
  tokens: Tokens;
  spend: {
    range_nanousd: string;
    today_nanousd: string;
    month_nanousd: string;
    daily_budget_nanousd: string | null;
    monthly_budget_nanousd: string | null;
    estimated_ratio: number;
  };
  series: {
    at_ms: number[];
    calls: number[];
    errors: number[];
    ttft_p95_ms: (number | null)[];
  };
  top_models: {
    model: string;
    calls: number;
    errors: number;
    tokens: number;
    cost_nanousd: string | null;
    ttft_p95_ms: number | null;
  }[];
  upstreams: UpstreamBrief[];
  checklist: Checklist;
}

export type Outcome = 'ok' | 'error' | 'incomplete' | 'refused' | 'cancelled';

export interface Call {
  request_id: string;
  started_at_ms: number;
  duration_ms: number;
  status: number;
  outcome: Outcome;
  error_code: string | null;
  route: string;
  model: string | null;
  model_version: string | null;
  upstream: string | null;
  key_id: string | null;
  key_name: string | null;
  stream: boolean;
  attempts: number;
  tokens: Tokens;
  usage_estimated: boolean;
  cost_nanousd: string | null;
  ttft_ms: number | null;
}

export interface CallPage {
  calls: Call[];
  next_before: string | null;
}

export interface CallFilters {
  models: string[];
  keys: { id: string; name: string }[];
  upstreams: string[];
}

export interface Attempt {
  number: number;
  upstream: string;
  started_after_ms: number;
  duration_ms: number;
  first_byte_after_ms: number | null;
  status: number | null;
  outcome: 'ok' | 'retryable' | 'fatal' | 'cancelled';
  error: string | null;
  wait_before_ms: number;
  hedge: boolean;
}

export interface Body {
  content_type: string;
  text: string;
  bytes: number;
  truncated: boolean;
}

export interface CallDetail extends Call {
  error: { code: string; message: string } | null;
  finish_reason: string | null;
  per_token_ms: number | null;
  added_ms: number | null;
  queued_ms: number;
  request_bytes: number;
  response_bytes: number;
  trace_id: string | null;
  span_id: string | null;
  session_id: string | null;
  user_id: string | null;
  metadata: Record<string, string>;
  confidence: number | null;
  attempts_detail: Attempt[];
  bodies: { request: Body | null; response: Body | null } | null;
  bodies_withheld: boolean;
}

export interface Limits {
  requests_per_minute: number | null;
  tokens_per_minute: number | null;
  concurrent: number | null;
  daily_nanousd: string | null;
  monthly_nanousd: string | null;
}

export interface Key {
  id: string;
  name: string;
  role: string;
  models: string[];
  allow_from: string[];
  limits: Limits;
  state: 'active' | 'expired' | 'revoked';
  expires_at_ms: number | null;
  created_at_ms: number;
  created_by: string | null;
  last_used_at_ms: number | null;
  revoked_at_ms: number | null;
  previous_secret_until_at_ms: number | null;
  usage: {
    requests: number;
    tokens: number;
    spend_today_nanousd: string;
    spend_month_nanousd: string;
  };
}

export interface KeyWithSecret {
  key: Key;
  secret: string;
}

export interface Upstream extends UpstreamBrief {
  kind: string;
  host: string;
  reasons: string[];
  breaker_until_at_ms: number | null;
  ejected: boolean;
  calls: number;
  latency_p50_ms: number | null;
  latency_p95_ms: number | null;
  ttft_p50_ms: number | null;
  retry_budget_ratio: number;
  last_check_at_ms: number | null;
  last_check_ms: number | null;
  models: string[];
}

export interface AuditEntry {
  sequence: number;
  at_ms: number;
  actor: string | null;
  actor_kind: string;
  action: string;
  target: string | null;
  outcome: 'done' | 'refused';
  address: string | null;
  details: Record<string, string>;
}

export interface AuditPage {
  entries: AuditEntry[];
  next_before: string | null;
}
