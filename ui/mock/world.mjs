// The data that the stand-in server shows: made from a seed, so that a run can
// be repeated. States: empty, full, failing.
const dayMs = 86_400_000;
// Every made-up call belongs to one trace and one conversation.
export const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
export const sessionId = 'conversation-118';

// mulberry32: small, and good enough for test data.
export function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const models = [
  ['gpt-4o-mini', ['azure-west', 'openai'], 0.46],
  ['claude-sonnet', ['anthropic'], 0.22],
  ['text-embedding-3-small', ['azure-west'], 0.17],
  ['llama-3.1-70b-instruct-long-context', ['vllm'], 0.1],
  ['credit-risk', ['score-service'], 0.05],
];
const upstreams = [
  ['azure-west', 'azure-openai', 'west.openai.example.net'],
  ['openai', 'openai', 'api.openai.example.com'],
  ['anthropic', 'anthropic', 'api.anthropic.example.com'],
  ['vllm', 'openai', '10.0.4.12:8000'],
  ['score-service', 'http', 'score.internal.example:5001'],
];
const keyNames = ['search-service', 'support-assistant', 'nightly-evaluation', 'notebooks', 'billing-summaries', 'mobile-app'];

const emptyLimits = {
  requests_per_minute: null,
  tokens_per_minute: null,
  concurrent: null,
  daily_nanousd: null,
  monthly_nanousd: null,
};

export function makeKey(id, name, now, more = {}) {
  return {
    id,
    name,
    role: 'caller',
    models: ['*'],
    allow_from: [],
    limits: { ...emptyLimits },
    state: 'active',
    expires_at_ms: null,
    created_at_ms: now,
    created_by: 'admin',
    last_used_at_ms: null,
    revoked_at_ms: null,
    previous_secret_until_at_ms: null,
    usage: { requests: 0, tokens: 0, spend_today_nanousd: '0', spend_month_nanousd: '0' },
    ...more,
  };
}

function keysOf(now) {
  return keyNames.map((name, i) =>
    makeKey(`k_${(0x7f3a91 + i * 77777).toString(16)}`, name, now - (i + 2) * 9 * dayMs, {
      models: i === 2 ? ['gpt-4o-mini', 'text-*'] : ['*'],
      limits: {
        ...emptyLimits,
        requests_per_minute: i % 2 ? 600 : null,
        concurrent: 50,
        daily_nanousd: i % 3 === 0 ? '5000000000' : null,
        monthly_nanousd: i === 1 ? '200000000000' : null,
      },
      state: i === 4 ? 'expired' : i === 5 ? 'revoked' : 'active',
      expires_at_ms: i === 4 ? now - dayMs : i === 3 ? now + 30 * dayMs : null,
      revoked_at_ms: i === 5 ? now - 3 * dayMs : null,
      last_used_at_ms: i > 3 ? now - 5 * dayMs : now - (i + 1) * 4200,
      usage: {
        requests: [30211, 9120, 2210, 85, 0, 0][i],
        tokens: [24120000, 12044000, 3100000, 92000, 0, 0][i],
        spend_today_nanousd: ['4310000000', '12204000000', '1902000000', '210000', '0', '0'][i],
        spend_month_nanousd: ['91200000000', '188400000000', '30100000000', '4400000', '9000000', '0'][i],
      },
    }),
  );
}

function pick(roll, weighted) {
  let left = roll;
  for (const entry of weighted) {
    left -= entry[2];
    if (left < 0) return entry;
  }
  return weighted[0];
}

export function makeCall(number, endedAt, roll, keys, failing) {
  const [model, names] = pick(roll(), models);
  const key = keys[Math.floor(roll() ** 2 * 4)];
  const bad = roll() < (failing ? 0.19 : 0.006);
  const odd = roll();
  const outcome = bad ? (odd < 0.7 ? 'error' : 'incomplete') : odd < 0.012 ? 'refused' : odd < 0.018 ? 'cancelled' : 'ok';
  const chat = !model.startsWith('text-') && model !== 'credit-risk';
  const first = (model === 'credit-risk' ? 9 : 120) + 300 * roll() ** 3 * (failing ? 6 : 2);
  const output = chat ? Math.floor(40 + 900 * roll() ** 2) : 0;
  const length = outcome === 'refused' ? 0.6 : first + output * 7.5;
  const refused = outcome === 'refused';
  const input = refused ? 0 : Math.floor(60 + 3800 * roll() ** 2);
  const tries = refused ? 0 : bad ? 3 : roll() < 0.04 ? 2 : 1;
  return {
    request_id: `req_${(0x1a5e0000 + number).toString(36)}${Math.floor(roll() * 1e9).toString(36)}`,
    started_at_ms: Math.round(endedAt - length),
    duration_ms: Number(length.toFixed(2)),
    status: { ok: 200, error: 502, incomplete: 200, refused: 429, cancelled: 499 }[outcome],
    outcome,
    error_code: { ok: null, error: 'upstream_failed', incomplete: 'stream_cut', refused: 'rate_limit_exceeded', cancelled: 'client_left' }[outcome],
    route: model === 'credit-risk' ? '/v2/models/credit-risk/infer' : chat ? '/v1/chat/completions' : '/v1/embeddings',
    model,
    model_version: model === 'gpt-4o-mini' ? '2024-07-18' : null,
    upstream: refused ? null : names[tries > 1 ? names.length - 1 : 0],
    key_id: key.id,
    key_name: key.name,
    stream: chat,
    attempts: tries,
    tokens: { input, cached_input: Math.floor(input * 0.3), output: refused ? 0 : output, reasoning: 0 },
    usage_estimated: roll() < 0.02,
    cost_nanousd: model === 'credit-risk' ? null : String(input * 150 + output * 600),
    ttft_ms: refused || outcome === 'error' ? null : Number(first.toFixed(1)),
  };
}

export function detailOf(call, bodiesKept) {
  const attempts = [];
  let at = 0.3;
  for (let i = 1; i <= call.attempts; i++) {
    const last = i === call.attempts;
    const ok = last && call.outcome !== 'error';
    const room = call.duration_ms - at;
    const length = last ? room - 0.2 : room * 0.22;
    const wait = i === 1 ? 0 : Math.min(350, room * 0.18);
    attempts.push({
      number: i,
      upstream: call.upstream ?? 'azure-west',
      started_after_ms: at + wait,
      duration_ms: Math.max(0.1, length - wait),
      first_byte_after_ms: ok ? Math.max(call.ttft_ms ?? 0, at + wait + (length - wait) * 0.3) : null,
      status: ok ? 200 : i === 1 ? 429 : 503,
      outcome: ok ? (call.outcome === 'cancelled' ? 'cancelled' : 'ok') : last ? 'fatal' : 'retryable',
      error: ok ? null : i === 1 ? 'rate limited by the upstream' : 'the upstream is overloaded',
      wait_before_ms: wait,
      hedge: false,
    });
    at += length;
  }
  const request = JSON.stringify({ model: call.model, messages: [{ role: 'user', content: 'Which of our plans covers three seats?' }] });
  const answer = JSON.stringify({ choices: [{ message: { role: 'assistant', content: 'The Team plan covers up to five seats.' } }] });
  return {
    ...call,
    error: call.error_code && { code: call.error_code, message: 'The upstream answered 503 three times.' },
    finish_reason: call.outcome === 'ok' && call.stream ? 'stop' : null,
    per_token_ms: call.tokens.output ? 7.5 : null,
    added_ms: 0.41,
    queued_ms: 0,
    request_bytes: 3120,
    response_bytes: 20110,
    trace_id: traceId,
    span_id: '00f067aa0ba902b7',
    session_id: sessionId,
    user_id: 'u-52',
    metadata: { team: 'search', release: '2026.11' },
    confidence: call.model === 'credit-risk' ? 0.912 : null,
    attempts_detail: attempts,
    bodies: bodiesKept
      ? {
          request: { content_type: 'application/json', text: request, bytes: request.length, truncated: false },
          response: call.outcome === 'ok' ? { content_type: 'application/json', text: answer, bytes: answer.length, truncated: false } : null,
        }
      : null,
    bodies_withheld: false,
  };
}

function upstreamRows(now, failing) {
  return upstreams.map(([name, kind, host], i) => {
    const out = failing && i === 0;
    const weak = i === 3;
    const reasons = out
      ? ['12 failures one after another; last: connection refused', 'health check failed 4 times']
      : weak
        ? ['time to first token p95 is 3.1 times its usual']
        : [];
    return {
      name,
      kind,
      host,
      health: out ? 'unhealthy' : weak ? 'degraded' : 'healthy',
      reasons,
      reason: reasons[0] ?? null,
      breaker: out ? 'open' : 'closed',
      breaker_until_at_ms: out ? now + 14_000 : null,
      ejected: false,
      in_flight: out ? 0 : [3, 1, 5, 2, 0][i],
      calls: [3811, 1204, 1722, 803, 390][i],
      error_ratio: out ? 1 : [0.001, 0, 0.004, 0.021, 0][i],
      latency_p50_ms: out ? null : [900, 1020, 2210, 3800, 12][i],
      latency_p95_ms: out ? null : [2400, 2900, 5100, 9800, 31][i],
      ttft_p50_ms: out ? null : [210, 240, 380, 900, 11][i],
      ttft_p95_ms: out ? null : [480, 530, 790, 2900, 28][i],
      retry_budget_ratio: out ? 0 : [0.97, 1, 0.9, 0.62, 1][i],
      last_check_at_ms: now - 9000 - i * 3100,
      last_check_ms: [84, 91, 130, 240, 6][i],
      models: models.filter(([, names]) => names.includes(name)).map(([model]) => model).sort(),
    };
  });
}

function auditOf(now) {
  const actions = [
    ['admin', 'user', 'key.create', 'done'],
    ['search-service', 'key', 'call', 'refused'],
    [null, 'unknown', 'session.create', 'refused'],
    ['admin', 'user', 'key.rotate', 'done'],
    ['gatehouse', 'system', 'config.reload', 'refused'],
  ];
  return Array.from({ length: 240 }, (_, i) => {
    const [actor, kind, action, outcome] = actions[i % actions.length];
    return {
      sequence: 240 - i,
      at_ms: now - i * 191_000,
      actor,
      actor_kind: kind,
      action,
      target: action.startsWith('key') ? 'k_7f3a91' : null,
      outcome,
      address: kind === 'system' ? null : '127.0.0.1',
      details: action === 'call' ? { reason: 'rate_limit_exceeded', model: 'gpt-4o-mini' } : {},
    };
  });
}

export function makeWorld(state, now = Date.now()) {
  const roll = random(7);
  const empty = state === 'empty';
  const failing = state === 'failing';
  const keys = empty ? [] : keysOf(now);
  const calls = [];
  let at = now;
  for (let i = 0; !empty && i < 2500; i++) {
    at -= 40 + roll() * 2600;
    calls.push(makeCall(2500 - i, at, roll, keys, failing));
  }
  return {
    state,
    failing,
    keys,
    calls,
    numbered: 2500,
    roll,
    upstreams: empty ? [] : upstreamRows(now, failing),
    audit: empty ? [] : auditOf(now),
    models: empty ? [] : models.map(([name]) => name).sort(),
  };
}

export function overviewOf(world, range, now, passwordSet) {
  const [rangeMs, stepMs] = { '15m': [900_000, 15_000], '1h': [3_600_000, 60_000], '24h': [86_400_000, 900_000] }[range];
  const points = rangeMs / stepMs;
  const roll = random(rangeMs);
  const start = Math.floor(now / stepMs) * stepMs - (points - 1) * stepMs;
  const any = world.calls.length > 0;
  const series = { at_ms: [], calls: [], errors: [], ttft_p95_ms: [] };
  for (let i = 0; i < points; i++) {
    const wave = 10 + 4 * Math.sin(i / 9) + 3 * roll();
    const n = any ? Math.round(((wave * stepMs) / 1000) * (i === points - 1 ? 0.4 : 1)) : 0;
    const late = world.failing && i > points * 0.7;
    series.at_ms.push(start + i * stepMs);
    series.calls.push(n);
    series.errors.push(Math.round(n * (late ? 0.22 + 0.1 * roll() : 0.004 * roll())));
    series.ttft_p95_ms.push(any ? 420 + 120 * Math.sin(i / 7) + 90 * roll() + (late ? 1800 : 0) : null);
  }
  const sum = (list) => list.reduce((a, b) => a + b, 0);
  const calls = sum(series.calls);
  const errors = sum(series.errors);
  return {
    now_at_ms: now,
    range_ms: rangeMs,
    step_ms: stepMs,
    calls,
    calls_per_second: calls / (rangeMs / 1000),
    errors,
    refused: any ? Math.round(calls * 0.0017) : 0,
    error_ratio: calls ? errors / calls : null,
    ttft_p50_ms: any ? 212 : null,
    ttft_p95_ms: any ? (world.failing ? 2280 : 541) : null,
    in_flight: any ? 12 : 0,
    previous: any ? { calls_per_second: 10.2, error_ratio: 0.003, ttft_p95_ms: 552 } : null,
    tokens: any ? { input: 48_120_000, cached_input: 9_000_000, output: 7_204_000, reasoning: 0 } : { input: 0, cached_input: 0, output: 0, reasoning: 0 },
    spend: {
      range_nanousd: any ? '1840000000' : '0',
      today_nanousd: any ? (world.failing ? '47200000000' : '18410000000') : '0',
      month_nanousd: any ? '412306000000' : '0',
      daily_budget_nanousd: any ? '50000000000' : null,
      monthly_budget_nanousd: any ? '1000000000000' : null,
      estimated_ratio: any ? 0.018 : 0,
    },
    series,
    top_models: any
      ? models.map(([model, , weight]) => ({
          model,
          calls: Math.round(calls * weight),
          errors: Math.round(errors * weight),
          tokens: Math.round(calls * weight * 900),
          cost_nanousd: model === 'credit-risk' ? null : String(Math.round(calls * weight) * 214_000),
          ttft_p95_ms: 500,
        }))
      : [],
    upstreams: world.upstreams.map(({ name, health, breaker, reason, in_flight, error_ratio, ttft_p95_ms }) => ({
      name, health, breaker, reason, in_flight, error_ratio, ttft_p95_ms,
    })),
    checklist: {
      upstream_configured: world.upstreams.length > 0,
      model_configured: world.models.length > 0,
      key_created: world.keys.length > 0,
      first_call: any,
      password_set: passwordSet,
    },
  };
}
