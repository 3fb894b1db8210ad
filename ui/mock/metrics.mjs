// Prometheus's API as far as the console asks it, from made-up series.
const gib = 2 ** 30;

const success = (data, more = {}) => ({ status: 200, body: { status: 'success', data, ...more } });
const failure = (status, errorType, error) => ({ status, body: { status: 'error', errorType, error } });

const models = ['gpt-4o-mini', 'claude-sonnet', 'llama-3.1-70b', 'text-embedding-3-small'];

function seriesOf(query) {
  const name = /[a-zA-Z_:][\w:]*(?=[{[\s)]|$)/.exec(query.replace(/^\s*\w+\s*(by|without)?\s*\(/, ''))?.[0] ?? 'up';
  return models.map((model, i) => ({ metric: { __name__: name, instance: `10.0.0.${i + 1}:9100`, job: 'node', model }, phase: i }));
}

const wave = (at_s, phase) => 40 + 12 * phase + 25 * Math.sin(at_s / 900 + phase) + 6 * Math.sin(at_s / 61 + 2 * phase);

function rangeOf(words, state) {
  const [begin, end, step] = ['start', 'end', 'step'].map((name) => Number(words.get(name)));
  const result = state === 'empty' ? [] : seriesOf(words.get('query')).map(({ metric, phase }) => {
    const values = [];
    for (let at = begin; at <= end; at += step) {
      // A gap, as when a target was away.
      if (phase === 2 && at % 3600 < 300) continue;
      values.push([at, String(wave(at, phase))]);
    }
    return { metric, values };
  });
  const infos = /rate\(\w+(?<!_total|_count|_sum|_bucket)[{[]/.test(words.get('query'))
    ? ['PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "up" (1:6)']
    : [];
  return success({ resultType: 'matrix', result }, infos.length ? { infos } : {});
}

function targets(state) {
  if (state === 'empty') return { activeTargets: [], droppedTargets: [] };
  const activeTargets = models.map((_, i) => ({
    labels: { instance: `10.0.0.${i + 1}:9100`, job: i < 3 ? 'node' : 'vllm' },
    discoveredLabels: {},
    scrapePool: i < 3 ? 'node' : 'vllm',
    scrapeUrl: `http://10.0.0.${i + 1}:9100/metrics`,
    lastError: i === 2 ? 'connecting to 10.0.0.3:9100: connection refused' : '',
    lastScrape: new Date(Date.now() - 4000 - 1000 * i).toISOString(),
    lastScrapeDuration: 0.0042 * (i + 1),
    health: i === 2 ? 'down' : 'up',
    scrapeInterval: '15s',
    scrapeTimeout: '10s',
  }));
  return { activeTargets, droppedTargets: [] };
}

function store(state) {
  const full = state !== 'empty';
  const now = Date.now();
  const ranked = (names) => (full ? names.map((name, i) => ({ name, value: Math.round(24_000 / (i + 1) ** 1.3) })) : []);
  const blocks = full
    ? Array.from({ length: 5 }, (_, i) => ({
        id: `01J${i}`,
        minTime: now - (i + 2) * 7_200_000,
        maxTime: now - (i + 1) * 7_200_000,
        series: 48_000 + 211 * i,
        samples: 23_040_000 + 40_000 * i,
        bytes: 15_100_000 + 31_000 * i,
        level: 1,
      }))
    : [];
  return {
    headStats: { numSeries: full ? 50_312 : 0, numLabelPairs: full ? 9120 : 0, chunkCount: full ? 201_248 : 0, minTime: now - 7_200_000, maxTime: now },
    seriesCountByMetricName: ranked(['gatehouse_call_duration_seconds_bucket', 'container_cpu_usage_seconds_total', 'node_cpu_seconds_total', 'kube_pod_info']),
    labelValueCountByLabelName: ranked(['pod', 'id', '__name__', 'le']),
    memoryInBytesByLabelName: ranked(['id', 'pod', '__name__']),
    seriesCountByLabelValuePair: ranked(['job=node', 'namespace=default', 'model=gpt-4o-mini']),
    storage: {
      memoryBytes: full ? 0.019 * gib : 90_000,
      walBytes: full ? 0.024 * gib : 0,
      blocksBytes: blocks.reduce((sum, each) => sum + each.bytes, 0),
      problem: state === 'failing' ? 'block 01J3.block is damaged (checksum of its index) and was set aside as 01J3.block.damaged' : '',
      retentionMs: 15 * 86_400_000,
      retentionBytes: 0,
      blocks,
    },
  };
}

// Null: not one of these routes.
export function metricAnswer(url, state) {
  const path = url.pathname.replace('/api/v1/', '');
  const words = url.searchParams;
  const known = /^(query|query_range|labels|label\/[^/]+\/values|series|metadata|targets|status\/tsdb|status\/flags)$/;
  if (!known.test(path)) return null;
  if (state === 'down') return failure(503, 'unavailable', 'The store of samples is not there.');
  if (/\($/.test(words.get('query') ?? '')) {
    return failure(400, 'bad_data', 'invalid parameter "query": 1:6: parse error: unclosed left parenthesis');
  }
  switch (path) {
    case 'query_range':
      return rangeOf(words, state);
    case 'query': {
      const at = Number(words.get('time'));
      const result = state === 'empty' ? [] : seriesOf(words.get('query')).map(({ metric, phase }) => ({ metric, value: [at, String(wave(at, phase))] }));
      return success({ resultType: 'vector', result });
    }
    case 'targets':
      return success(targets(state));
    case 'status/tsdb':
      return success(store(state));
    case 'metadata':
      return success({});
    case 'status/flags':
      return success({});
    case 'series':
      return success([]);
    default:
      return success(path === 'label/__name__/values' ? ['up', 'node_cpu_seconds_total', 'node_load1'] : models);
  }
}
