// A stand-in for the program: serves ui/dist and the contract of docs/api.md from
// made-up data, for the browser tests and for work on the pages.
//
//   GATEHOUSE_MOCK_STATE=full|empty|failing|down|slow PORT=8080 node mock/server.mjs
//
// failing: an upstream is out, calls fail and the configuration was refused.
// down: data routes answer 503. slow: data routes take two seconds.
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { alertAnswer, makeAlertWorld } from './alerts.mjs';
import { metricAnswer } from './metrics.mjs';
import { detailOf, makeCall, makeKey, makeWorld, overviewOf, sessionId, traceId } from './world.mjs';

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const pageHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};
const pages = /^\/(login|calls(\/.*)?|keys(\/.*)?|upstreams|graph|query|targets|store|alerts(\/history)?|silences|rules|receivers|audit|account)?$/;
const permissionsOf = {
  viewer: ['overview.read', 'calls.read', 'keys.read', 'upstreams.read', 'metrics.read', 'alerts.read'],
  operator: ['overview.read', 'calls.read', 'bodies.read', 'keys.read', 'keys.write', 'upstreams.read', 'metrics.read', 'alerts.read', 'silences.write'],
  auditor: ['overview.read', 'calls.read', 'keys.read', 'upstreams.read', 'metrics.read', 'alerts.read', 'audit.read'],
  admin: ['overview.read', 'calls.read', 'bodies.read', 'keys.read', 'keys.write', 'upstreams.read', 'metrics.read', 'alerts.read', 'silences.write', 'audit.read'],
};

class Refusal extends Error {
  constructor(status, code, message, next) {
    super(message);
    Object.assign(this, { status, code, next });
  }
}

function servePage(request, reply, path) {
  const page = pages.test(path);
  const file = join(dist, normalize(page ? '/index.html' : path));
  const allowed = page || path === '/favicon.svg' || path.startsWith('/assets/');
  if (!allowed || !existsSync(`${file}.gz`)) {
    reply.writeHead(404).end();
    return;
  }
  reply.writeHead(200, {
    'content-type': types[extname(file)],
    'content-encoding': 'gzip',
    'cache-control': path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    'x-content-type-options': 'nosniff',
    vary: 'accept-encoding',
    ...(page && pageHeaders),
  });
  reply.end(request.method === 'HEAD' ? undefined : readFileSync(`${file}.gz`));
}

async function bodyOf(request, allowed) {
  let text = '';
  for await (const part of request) {
    text += part;
    if (text.length > 65_536) throw new Refusal(413, 'body_too_large', 'The body is over 64 KiB.', 'Send less.');
  }
  let body;
  try {
    body = JSON.parse(text || '{}');
  } catch {
    throw new Refusal(400, 'invalid_body', 'The body is no JSON.', 'Send a JSON object.');
  }
  const unknown = Object.keys(body).find((name) => !allowed.includes(name));
  if (unknown) throw new Refusal(400, 'invalid_body', `Unknown member "${unknown}".`, 'See docs/api.md.');
  return body;
}

function matches(call, query) {
  const status = query.get('status');
  return (
    (!query.get('model') || call.model === query.get('model')) &&
    (!query.get('key') || call.key_id === query.get('key')) &&
    (!query.get('upstream') || call.upstream === query.get('upstream')) &&
    (!query.get('trace') || query.get('trace') === traceId) &&
    (!query.get('session') || query.get('session') === sessionId) &&
    (!query.get('since') || call.started_at_ms >= Number(query.get('since'))) &&
    (!status ||
      call.outcome === status ||
      String(call.status) === status ||
      (/^[1-5]xx$/.test(status) && Math.floor(call.status / 100) === Number(status[0])))
  );
}

function page(list, query, mark) {
  const limit = Number(query.get('limit') ?? 100);
  const before = query.get('before');
  const from = before ? list.findIndex((item) => mark(item) === before) + 1 : 0;
  const shown = list.slice(from, from + limit);
  return { shown, next: from + limit < list.length ? mark(shown[shown.length - 1]) : null };
}

export function startMock({ state = 'full', role = 'admin', port = 0, bodiesKept = true } = {}) {
  const world = makeWorld(state === 'down' || state === 'slow' ? 'full' : state);
  const alertWorld = makeAlertWorld(world.state);
  const sessions = new Map();
  const tokens = new Set(['first-token', 'second-token']);
  const streams = new Set();
  let password = 'correct horse battery';
  let broken = state === 'down';

  const who = (request) => {
    const id = /gatehouse_session=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1];
    const session = sessions.get(id);
    if (!session) throw new Refusal(401, 'not_signed_in', 'Nobody is signed in.', 'Sign in.');
    return session;
  };
  const sessionReply = (session, request) => ({
    user: session.user,
    role,
    permissions: permissionsOf[role],
    csrf: session.csrf,
    has_password: password !== null,
    expires_at_ms: Date.now() + 43_200_000,
    version: '0.1.0',
    config:
      world.state === 'failing'
        ? { ok: false, message: 'gatehouse.yaml:14:5: unknown key "modles"; did you mean "models"?', since_at_ms: Date.now() - 240_000 }
        : { ok: true, message: null, since_at_ms: Date.now() - 86_400_000 },
    bodies_kept: bodiesKept,
    base_url: `http://${request.headers.host}`,
  });
  const keyOf = (id) => {
    const key = world.keys.find((k) => k.id === id);
    if (!key) throw new Refusal(404, 'key_not_found', `No key has the id ${id}.`, 'Reload the list of keys.');
    return key;
  };
  const secret = (id) => `gh_${id.slice(2)}_${randomBytes(32).toString('hex')}_${randomBytes(3).toString('hex')}`;
  const audit = (action, target) =>
    world.audit.unshift({
      sequence: (world.audit[0]?.sequence ?? 0) + 1,
      at_ms: Date.now(),
      actor: 'admin',
      actor_kind: 'user',
      action,
      target,
      outcome: 'done',
      address: '127.0.0.1',
      details: {},
    });

  async function signIn(request, reply) {
    const body = await bodyOf(request, ['token', 'user', 'password']);
    if (body.token !== undefined) {
      if (!tokens.delete(body.token)) {
        throw new Refusal(401, 'link_used', 'This link was used already, or is too old.', 'Sign in with your password, or start with `gatehouse login-link` for a new one.');
      }
    } else if (body.user !== 'admin' || body.password !== password) {
      throw new Refusal(401, 'wrong_credentials', 'User or password is wrong.', 'Try again.');
    }
    const id = randomBytes(16).toString('base64url');
    const session = { user: 'admin', csrf: randomBytes(16).toString('base64url') };
    sessions.set(id, session);
    reply.setHeader('set-cookie', `gatehouse_session=${id}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200`);
    return sessionReply(session, request);
  }

  function liveStream(request, reply, query) {
    reply.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    reply.write(': alive\n\n');
    const stream = { reply, query };
    streams.add(stream);
    request.on('close', () => streams.delete(stream));
  }

  const emit = setInterval(() => {
    if (!world.calls.length || broken) return;
    const call = makeCall(++world.numbered, Date.now(), world.roll, world.keys, world.failing);
    world.calls.unshift(call);
    for (const { reply, query } of streams) {
      if (matches(call, query)) reply.write(`event: calls\ndata: ${JSON.stringify([call])}\n\n`);
    }
  }, 700);
  emit.unref();

  const keyFields = ['name', 'role', 'models', 'allow_from', 'limits', 'expires_at_ms'];
  async function keyRoute(request, reply, [id, action]) {
    const { method } = request;
    if (method === 'GET') return id ? keyOf(id) : { keys: world.keys };
    if (method === 'POST' && !id) {
      const body = await bodyOf(request, keyFields);
      if (world.keys.some((k) => k.name === body.name && k.state !== 'revoked')) {
        throw new Refusal(409, 'key_name_taken', `A key is named "${body.name}" already.`, 'Choose another name.');
      }
      const key = makeKey(`k_${randomBytes(4).toString('hex')}`, body.name, Date.now(), {
        role: body.role ?? 'caller',
        models: body.models ?? ['*'],
        allow_from: body.allow_from ?? [],
        expires_at_ms: body.expires_at_ms ?? null,
      });
      Object.assign(key.limits, body.limits);
      world.keys.unshift(key);
      audit('key.create', key.id);
      reply.statusCode = 201;
      return { key, secret: secret(key.id) };
    }
    const key = keyOf(id);
    if (method === 'DELETE') {
      audit('key.revoke', key.id);
      return Object.assign(key, { state: 'revoked', revoked_at_ms: key.revoked_at_ms ?? Date.now() });
    }
    if (key.state === 'revoked') throw new Refusal(409, 'key_revoked', 'The key is revoked.', 'Create another.');
    if (action === 'rotate') {
      const { overlap_ms } = await bodyOf(request, ['overlap_ms']);
      key.previous_secret_until_at_ms = overlap_ms ? Date.now() + overlap_ms : null;
      audit('key.rotate', key.id);
      return { key, secret: secret(key.id) };
    }
    const { limits, ...rest } = await bodyOf(request, keyFields);
    Object.assign(key, rest);
    Object.assign(key.limits, limits);
    audit('key.change', key.id);
    return key;
  }

  async function api(request, reply, url) {
    const [, , , section, ...rest] = url.pathname.split('/').map(decodeURIComponent);
    const query = url.searchParams;
    if (section === 'session' && request.method === 'POST' && !rest[0]) return signIn(request, reply);
    const session = who(request);
    if (request.method !== 'GET' && request.headers['x-gatehouse-csrf'] !== session.csrf) {
      throw new Refusal(403, 'csrf', 'The x-gatehouse-csrf header is missing or wrong.', 'Reload the page.');
    }
    if (section === 'session' && rest[0] === 'password') {
      const body = await bodyOf(request, ['current', 'new']);
      if (password !== null && body.current !== password) throw new Refusal(401, 'wrong_credentials', 'The present password is wrong.', 'Try again.');
      if (body.new.length < 12) throw new Refusal(422, 'password_too_weak', 'The password has fewer than 12 characters.', 'Choose a longer one.');
      password = body.new;
      return undefined;
    }
    if (section === 'session' && request.method === 'DELETE') {
      for (const [id, s] of sessions) if (s === session) sessions.delete(id);
      reply.setHeader('set-cookie', 'gatehouse_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0');
      return undefined;
    }
    if (section === 'session') return sessionReply(session, request);
    if (broken) {
      reply.setHeader('retry-after', '2');
      throw new Refusal(503, 'starting', 'Records are still being read after the start.', 'Try again in a moment.');
    }
    if (state === 'slow') await new Promise((done) => setTimeout(done, 2000));
    if (section === 'overview') return overviewOf(world, query.get('range') ?? '1h', Date.now(), password !== null);
    if (section === 'calls' && rest[0] === 'live') return liveStream(request, reply, query), null;
    if (section === 'calls' && rest[0] === 'filters') {
      const names = world.upstreams.map((u) => u.name).sort();
      return { models: world.models, keys: world.keys.map(({ id, name }) => ({ id, name })), upstreams: names };
    }
    if (section === 'calls' && rest[0]) {
      const call = world.calls.find((c) => c.request_id === rest[0]);
      if (!call) throw new Refusal(404, 'call_not_found', `No call has the id ${rest[0]}.`, 'It may be older than what is kept.');
      return detailOf(call, bodiesKept);
    }
    if (section === 'calls') {
      const { shown, next } = page(world.calls.filter((c) => matches(c, query)), query, (c) => c.request_id);
      return { calls: shown, next_before: next };
    }
    if (section === 'keys') return keyRoute(request, reply, rest);
    if (section === 'upstreams') return { upstreams: world.upstreams };
    if (section === 'audit') {
      const { shown, next } = page(world.audit, query, (e) => String(e.sequence));
      return { entries: shown, next_before: next };
    }
    throw new Refusal(404, 'not_found', 'No such route.', 'See docs/api.md.');
  }

  const server = createServer(async (request, reply) => {
    const url = new URL(request.url, 'http://mock');
    if (!url.pathname.startsWith('/api/')) {
      servePage(request, reply, url.pathname);
      return;
    }
    reply.setHeader('cache-control', 'no-store');
    try {
      const readBody = () => {
        const { csrf } = who(request);
        if (request.headers['x-gatehouse-csrf'] !== csrf) {
          throw new Refusal(403, 'csrf', 'The x-gatehouse-csrf header is missing or wrong.', 'Reload the page.');
        }
        return bodyOf(request, ['matchers', 'startsAt', 'endsAt', 'createdBy', 'comment', 'recurrence', 'receiver', 'integration', 'labels']);
      };
      const alerts = await alertAnswer(alertWorld, request, url, readBody, broken);
      if (alerts) {
        who(request);
        reply.writeHead(alerts.status, { 'content-type': 'application/json' }).end(JSON.stringify(alerts.body));
        return;
      }
      const metrics = metricAnswer(url, broken ? 'down' : state);
      if (metrics) {
        who(request);
        reply.writeHead(metrics.status, { 'content-type': 'application/json' }).end(JSON.stringify(metrics.body));
        return;
      }
      const answer = await api(request, reply, url);
      if (answer === null) return;
      if (answer === undefined) reply.writeHead(204).end();
      else reply.writeHead(reply.statusCode, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    } catch (failure) {
      const { status = 500, code = 'internal', message, next = 'See the log.' } = failure;
      reply.writeHead(status, { 'content-type': 'application/json' });
      reply.end(JSON.stringify({ error: { code, message, next } }));
    }
  });
  return new Promise((done) => {
    server.listen(port, '127.0.0.1', () =>
      done({
        url: `http://127.0.0.1:${server.address().port}`,
        setBroken: (on) => (broken = on),
        cutStreams: () => streams.forEach(({ reply }) => reply.destroy()),
        close: () => {
          clearInterval(emit);
          server.closeAllConnections();
          return new Promise((closed) => server.close(closed));
        },
      }),
    );
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await startMock({
    state: process.env.GATEHOUSE_MOCK_STATE ?? 'full',
    role: process.env.GATEHOUSE_MOCK_ROLE ?? 'admin',
    port: Number(process.env.PORT ?? 0),
  });
  console.log(`${url}/login?token=first-token`);
}
