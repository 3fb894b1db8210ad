// Alertmanager's API v2, Prometheus's rules and the console's additions, from made-up
// alerts. Silences are kept, so that making one shows.
import { randomUUID } from 'node:crypto';

const iso = (at) => new Date(at).toISOString();
const minute = 60_000;

const made = [
  ['ModelErrorBudgetBurnsFast', 'critical', { model: 'gpt-4o-mini' }, 'gpt-4o-mini fails 14 % of its calls; the month\'s error budget is gone in 6 hours', 'sum by (model) (rate(gatehouse_calls_total{outcome="error"}[5m])) / sum by (model) (rate(gatehouse_calls_total[5m])) > 0.1', 12],
  ['UpstreamUnhealthy', 'critical', { upstream: 'azure-west' }, 'azure-west has failed its health checks for 5 minutes', 'gatehouse_upstream_health == 0', 34],
  ['FirstTokenSlow', 'warning', { model: 'claude-sonnet' }, 'claude-sonnet: 95 % of first tokens take up to 3.4 s', 'histogram_quantile(0.95, sum by (le, model) (rate(gatehouse_ttft_seconds_bucket[5m]))) > 2', 8],
  ['GpuHot', 'warning', { gpu: '3', instance: 'gpu-01' }, 'GPU 3 of gpu-01 is at 88 °C', 'DCGM_FI_DEV_GPU_TEMP > 85', 51],
  ['DiskFillsSoon', 'warning', { instance: 'node-2', mountpoint: '/var' }, '/var of node-2 is full in 18 hours at this pace', 'predict_linear(node_filesystem_avail_bytes[6h], 86400) < 0', 190],
  ['BudgetPace', 'info', { key: 'k_search' }, 'The key "search" will have spent its month by the 24th', 'gatehouse_budget_pace > 1.2', 400],
];

function alertsOf(world) {
  return made.map(([alertname, severity, labels, summary, expr, minutes], i) => ({
    labels: { alertname, severity, ...labels },
    annotations: { summary, runbook_url: `https://runbooks.example/${alertname}` },
    fingerprint: (0xabc0000000000000n + BigInt(i)).toString(16),
    startsAt: iso(world.began - minutes * minute),
    endsAt: iso(Date.now() + 5 * minute),
    updatedAt: iso(Date.now() - 9000),
    generatorURL: `/graph?g0.expr=${encodeURIComponent(expr)}`,
    receivers: [{ name: severity === 'critical' ? 'on-call' : 'team-chat' }],
    flapping: i === 3,
    vanished: i === 4,
    status: { state: 'active', silencedBy: [], inhibitedBy: [], mutedBy: [] },
  }));
}

const test = (matcher, labels) => {
  const value = labels[matcher.name] ?? '';
  const same = matcher.isRegex ? new RegExp(`^(?:${matcher.value})$`).test(value) : value === matcher.value;
  return same === matcher.isEqual;
};

export function makeAlertWorld(state) {
  const world = { began: Date.now(), state, silences: [] };
  if (state !== 'empty') {
    world.silences = [
      { minutes: [-60, 180], matchers: [['alertname', 'DiskFillsSoon'], ['instance', 'node-2']], comment: 'The disk is replaced at noon' },
      { minutes: [600, 720], matchers: [['cluster', 'batch.*', true]], comment: 'Planned work', recurrence: { weekdays: [0, 6], until: null, location: 'UTC' } },
      { minutes: [-900, -300], matchers: [['alertname', 'GpuHot']], comment: 'Fan replaced' },
    ].map(({ minutes: [begin, end], matchers, comment, recurrence }) => ({
      id: randomUUID(),
      matchers: matchers.map(([name, value, isRegex = false]) => ({ name, value, isRegex, isEqual: true })),
      startsAt: iso(world.began + begin * minute),
      endsAt: iso(world.began + end * minute),
      updatedAt: iso(world.began),
      createdBy: 'admin',
      comment,
      ...(recurrence && { recurrence }),
    }));
  }
  return world;
}

const stateOf = (silence) => ({ state: Date.parse(silence.endsAt) <= Date.now() ? 'expired' : Date.parse(silence.startsAt) > Date.now() ? 'pending' : 'active' });

function live(world) {
  if (world.state === 'empty') return [];
  return alertsOf(world).map((alert) => {
    const silencedBy = world.silences.filter((each) => stateOf(each).state === 'active' && each.matchers.every((m) => test(m, alert.labels))).map((each) => each.id);
    return { ...alert, status: { ...alert.status, silencedBy, state: silencedBy.length ? 'suppressed' : 'active' } };
  });
}

function groupsOf(world) {
  const groups = new Map();
  for (const alert of live(world)) {
    const labels = { severity: alert.labels.severity };
    const key = alert.receivers[0].name + labels.severity;
    if (!groups.has(key)) groups.set(key, { labels, receiver: alert.receivers[0], alerts: [] });
    groups.get(key).alerts.push(alert);
  }
  return [...groups.values()];
}

function rulesOf(world) {
  if (world.state === 'empty') return [];
  const rule = ([name, severity, labels, summary, query], i) => ({
    type: 'alerting',
    name,
    query,
    health: world.state === 'failing' && i === 2 ? 'err' : 'ok',
    lastError: world.state === 'failing' && i === 2 ? 'the query needs more memory than is free (memory.limit)' : undefined,
    evaluationTime: 0.0008 * (i + 1),
    lastEvaluation: iso(Date.now() - 4000),
    state: 'firing',
    duration: 300,
    keepFiringFor: 0,
    labels: { severity },
    annotations: { summary },
    alerts: [{ labels: { alertname: name, severity, ...labels }, annotations: { summary }, state: 'firing', activeAt: iso(world.began - 12 * minute), value: '1e+00' }],
  });
  const waiting = rule(['RateLimitPressure', 'warning', { key: 'k_batch' }, 'batch is refused 6 % of its calls by its limits', 'rate(gatehouse_refused_total[5m]) > 0.05'], 0);
  waiting.state = waiting.alerts[0].state = 'pending';
  const record = { type: 'recording', name: 'model:errors:ratio5m', query: 'sum by (model) (rate(gatehouse_calls_total{outcome="error"}[5m]))', health: 'ok', evaluationTime: 0.0021, lastEvaluation: iso(Date.now() - 4000) };
  const quiet = { ...rule(['GpuXidError', 'critical', {}, 'GPU reports XID errors', 'increase(DCGM_FI_DEV_XID_ERRORS[5m]) > 0'], 0), state: 'inactive', alerts: [] };
  const group = (name, file, rules) => ({ name, file, interval: 15, limit: 0, rules, evaluationTime: 0.004, lastEvaluation: iso(Date.now() - 4000) });
  return [group('models', 'ai.yml', [record, ...made.slice(0, 3).map(rule), waiting, quiet]), group('machines', 'ai.yml', made.slice(3).map(rule))];
}

const deliveriesOf = (world, receiver, integration, count) =>
  world.state === 'empty'
    ? []
    : Array.from({ length: count }, (_, i) => {
        const failed = world.state === 'failing' && i === 0;
        return {
          at_ms: Date.now() - (i * 47 + 2) * minute,
          receiver,
          integration,
          group_key: '{}:{severity="critical"}',
          delivered: !failed,
          attempt: failed ? 7 : 1,
          status: failed ? 503 : 200,
          error: failed ? 'unexpected status 503 from hooks.example: upstream connect error' : null,
          duration_ms: 84 + 9 * i,
          firing: 2,
          resolved: i % 2,
        };
      });

function receiversOf(world) {
  const receiver = (name, active, integrations) => ({
    name,
    active,
    integrations: integrations.map((each) => ({ name: each, send_resolved: true, last: deliveriesOf(world, name, each, 1)[0] ?? null })),
    deliveries: integrations.flatMap((each) => deliveriesOf(world, name, each, 4)),
  });
  if (world.state === 'empty') return [receiver('console', true, [])];
  return [receiver('on-call', true, ['pagerduty[0]', 'email[0]']), receiver('team-chat', true, ['slack[0]']), receiver('archive', false, ['webhook[0]'])];
}

function historyOf(world, query) {
  const filter = query.get('filter');
  const entries = live(world)
    .filter((alert) => !filter || filter.includes(JSON.stringify(alert.labels.alertname)))
    .flatMap((alert) => {
      const entry = (after, kind, more = {}) => ({
        at_ms: Date.parse(alert.startsAt) + after * minute,
        kind,
        alertname: alert.labels.alertname,
        fingerprint: alert.fingerprint,
        labels: alert.labels,
        receiver: null,
        integration: null,
        by: null,
        text: null,
        ...more,
      });
      return [entry(-5, 'pending'), entry(0, 'firing', { text: alert.annotations.summary }), entry(0.5, 'notified', { receiver: alert.receivers[0].name, integration: 'slack[0]' }), entry(4, 'silence_created', { by: 'admin', text: 'The disk is replaced at noon' })];
    })
    .sort((a, b) => b.at_ms - a.at_ms);
  return { entries: entries.slice(0, Number(query.get('limit') ?? 100)), next_before: null };
}

function routesOf(labels) {
  const times = { group_wait_ms: 30_000, group_interval_ms: 300_000, repeat_interval_ms: 14_400_000 };
  const critical = labels.severity === 'critical';
  return [
    { id: '{}', depth: 0, matchers: '', receiver: 'team-chat', group_by: ['severity'], ...times, matched: true, chosen: !critical },
    { id: '{}/{severity="critical"}/0', depth: 1, matchers: 'severity="critical"', receiver: 'on-call', group_by: ['alertname', 'model'], ...times, matched: critical, chosen: critical },
    { id: '{}/{team="archive"}/1', depth: 1, matchers: 'team="archive"', receiver: 'archive', group_by: ['alertname'], ...times, matched: false, chosen: false },
  ];
}

// undefined: none of these routes. { status, body } otherwise.
export async function alertAnswer(world, request, url, readBody, broken) {
  const path = url.pathname;
  const known = path.startsWith('/api/v2/') || path.startsWith('/api/v1/alerting/') || path === '/api/v1/rules';
  if (!known) return undefined;
  const answer = (body, status = 200) => ({ status, body });
  if (broken) return path === '/api/v1/rules' ? answer({ status: 'error', errorType: 'unavailable', error: 'Samples are still being read after the start.' }, 503) : answer('Alerts are still being read after the start.', 503);
  if (path === '/api/v1/rules') return answer({ status: 'success', data: { groups: rulesOf(world) } });
  if (path === '/api/v2/alerts/groups') return answer(groupsOf(world));
  if (path === '/api/v2/silences' && request.method === 'GET') return answer(world.silences.map((each) => ({ ...each, status: stateOf(each) })));
  if (path === '/api/v2/silences') {
    const body = await readBody();
    if (url.searchParams.get('preview') === 'true') {
      const all = live(world);
      const hidden = all.filter((alert) => body.matchers.every((m) => test(m, alert.labels)));
      return answer({ live: all.length, hidden: hidden.length, alerts: hidden.slice(0, 10), needsConfirmation: hidden.length > all.length / 2 });
    }
    const silence = { ...body, id: randomUUID(), updatedAt: iso(Date.now()) };
    world.silences.unshift(silence);
    return answer({ silenceID: silence.id });
  }
  if (path.startsWith('/api/v2/silence/') && request.method === 'DELETE') {
    const found = world.silences.find((each) => path.endsWith(each.id));
    if (!found) return answer('silence not found', 404);
    found.endsAt = iso(Date.now());
    return answer(undefined);
  }
  if (path === '/api/v1/alerting/receivers/test') return answer({ delivered: true, status: 200, error: null, duration_ms: 91 });
  if (path === '/api/v1/alerting/receivers') return answer({ receivers: receiversOf(world) });
  if (path === '/api/v1/alerting/history') return answer(historyOf(world, url.searchParams));
  if (path === '/api/v1/alerting/route') return answer({ routes: routesOf((await readBody()).labels) });
  return answer('no such route', 404);
}
