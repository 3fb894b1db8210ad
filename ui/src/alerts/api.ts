// Alertmanager's API v2, Prometheus's rules, and what docs/api.md adds to them, as the
// pages about alerts use them.
import { useEffect, useState } from 'preact/hooks';
import { ApiError, asApiError, lostSince, request, session } from '../api';
import { ask, type Labels } from '../metrics/api';

export interface Alert {
  labels: Labels;
  annotations: Labels;
  fingerprint: string;
  startsAt: string;
  endsAt: string;
  updatedAt: string;
  generatorURL?: string;
  receivers: { name: string }[];
  status: { state: 'unprocessed' | 'active' | 'suppressed'; silencedBy: string[]; inhibitedBy: string[]; mutedBy: string[] };
  // Beyond Alertmanager.
  flapping?: boolean;
  vanished?: boolean;
}

export interface Group {
  labels: Labels;
  receiver: { name: string };
  alerts: Alert[];
}

export interface Matcher {
  name: string;
  value: string;
  isRegex: boolean;
  isEqual: boolean;
}

export interface Recurrence {
  weekdays: number[];
  until: string | null;
  location: string;
}

export interface Silence {
  id: string;
  matchers: Matcher[];
  startsAt: string;
  endsAt: string;
  updatedAt: string;
  createdBy: string;
  comment: string;
  status: { state: 'active' | 'pending' | 'expired' };
  recurrence?: Recurrence;
}

export interface RuleAlert {
  labels: Labels;
  annotations: Labels;
  state: 'pending' | 'firing';
  activeAt: string;
  value: string;
}

export interface Rule {
  type: 'alerting' | 'recording';
  name: string;
  query: string;
  health: 'ok' | 'err' | 'unknown';
  lastError?: string;
  evaluationTime: number;
  lastEvaluation: string;
  state?: 'inactive' | 'pending' | 'firing';
  duration?: number;
  keepFiringFor?: number;
  labels?: Labels;
  annotations?: Labels;
  alerts?: RuleAlert[];
}

export interface RuleGroup {
  name: string;
  file: string;
  interval: number;
  limit: number;
  rules: Rule[];
  evaluationTime: number;
  lastEvaluation: string;
}

export interface Delivery {
  at_ms: number;
  receiver: string;
  integration: string;
  group_key: string;
  delivered: boolean;
  attempt: number;
  status: number | null;
  error: string | null;
  duration_ms: number;
  firing: number;
  resolved: number;
}

export interface Receiver {
  name: string;
  active: boolean;
  integrations: { name: string; send_resolved: boolean; last: Delivery | null }[];
  deliveries: Delivery[];
}

export interface HistoryEntry {
  at_ms: number;
  kind: string;
  alertname: string | null;
  fingerprint: string | null;
  labels: Labels;
  receiver: string | null;
  integration: string | null;
  by: string | null;
  text: string | null;
}

export interface RouteStep {
  id: string;
  depth: number;
  matchers: string;
  receiver: string;
  group_by: string[];
  group_wait_ms: number;
  group_interval_ms: number;
  repeat_interval_ms: number;
  matched: boolean;
  chosen: boolean;
}

// Alertmanager words an error as one JSON string.
export async function v2<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (method !== 'GET' && session.value) headers['x-gatehouse-csrf'] = session.value.csrf;
  let reply: Response;
  try {
    reply = await fetch(`/api/v2${path}`, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(15_000),
    });
  } catch {
    lostSince.value ??= Date.now();
    throw new ApiError(0, 'unreachable', 'Gatehouse does not answer.', 'Check that it is running.');
  }
  lostSince.value = null;
  const text = await reply.text();
  let read: unknown;
  try {
    read = text ? JSON.parse(text) : undefined;
  } catch {
    read = text;
  }
  if (reply.ok) return read as T;
  if (reply.status === 401) session.value = null;
  const said = read as { message?: string; error?: { code?: string; message?: string; next?: string } } | undefined;
  const wrapped = said?.error;
  const message = typeof read === 'string' ? read.trim() : (wrapped?.message ?? said?.message);
  throw new ApiError(reply.status, wrapped?.code ?? 'refused', message || `The answer had status ${reply.status}.`, wrapped?.next ?? '');
}

export interface Asked<T> {
  data: T | null;
  error: ApiError | null;
  load: () => void;
}

// Asks now and again while the page is in sight, keeping what was known beside an error.
export function useFresh<T>(get: () => Promise<T>, key: string, everyMs: number): Asked<T> {
  const [data, setData] = useState<T | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let gone = false;
    const load = () => {
      get()
        .then((found) => {
          if (gone) return;
          setData(found);
          setError(null);
        })
        .catch((thrown: unknown) => !gone && setError(asApiError(thrown)));
    };
    load();
    const timer = everyMs ? setInterval(() => !document.hidden && load(), everyMs) : 0;
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [key, turn]);
  return { data, error, load: () => setTurn((n) => n + 1) };
}

export const groups = () => v2<Group[]>('GET', '/alerts/groups');
export const silences = () => v2<Silence[]>('GET', '/silences');
export const rules = async () => (await ask<{ groups: RuleGroup[] }>('rules', {})).data.groups;
export const receivers = async () => (await request<{ receivers: Receiver[] }>('GET', '/alerting/receivers', undefined, true)).receivers;
export const history = (query: Record<string, string>) =>
  request<{ entries: HistoryEntry[]; next_before: string | null }>('GET', `/alerting/history?${new URLSearchParams(query)}`);

export interface Preview {
  live: number; // alerts that are told of now
  alerts: Alert[]; // those that would be silenced, the first of them
  hidden: number;
  needsConfirmation: boolean;
}
export const preview = (matchers: Matcher[]) => {
  const now = Date.now();
  const [startsAt, endsAt] = [now, now + 3_600_000].map((at) => new Date(at).toISOString());
  return v2<Preview>('POST', '/silences?preview=true', { matchers, startsAt, endsAt, createdBy: 'preview', comment: 'preview' });
};

export const saveSilence = (silence: Omit<Silence, 'id' | 'updatedAt' | 'status'> & { id?: string }, confirmed: boolean) =>
  v2<{ silenceID: string }>('POST', `/silences${confirmed ? '?confirm=true' : ''}`, silence);
export const expireSilence = (id: string) => v2<void>('DELETE', `/silence/${encodeURIComponent(id)}`);
