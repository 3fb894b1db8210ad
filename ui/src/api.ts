// Calls to /api/v1: errors as one type, the CSRF header, and the session that
// every page reads. `useLive` is how a page keeps data fresh: it shows what it
// last knew at once, asks again on an interval while the page is visible, and
// keeps the old data beside the error when an answer fails.
import { signal, type Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Permission, Session } from './contract';

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly next: string,
  ) {
    super(message);
  }
}

// undefined: not asked yet; null: nobody is signed in.
export const session = signal<Session | null | undefined>(undefined);
// When the server last failed to answer at all, and null while it answers.
export const lostSince = signal<number | null>(null);

export const may = (permission: Permission) =>
  session.value?.permissions.includes(permission) ?? false;

// Longer than any answer the server gives while it is healthy.
const patienceMs = 15_000;

async function failureOf(reply: Response): Promise<ApiError> {
  try {
    const { error } = (await reply.json()) as {
      error: { code: string; message: string; next: string };
    };
    return new ApiError(reply.status, error.code, error.message, error.next);
  } catch {
    return new ApiError(
      reply.status,
      'unreadable',
      `The answer had status ${reply.status} and no reason that can be read.`,
      'See the log of the server, or of a proxy before it.',
    );
  }
}

export async function request<T>(
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
  poll = false,
): Promise<T> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (method !== 'GET' && session.value) headers['x-gatehouse-csrf'] = session.value.csrf;
  if (poll) headers['x-gatehouse-poll'] = '1';
  let reply: Response;
  try {
    reply = await fetch(`/api/v1${path}`, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(patienceMs),
    });
  } catch {
    lostSince.value ??= Date.now();
    throw new ApiError(
      0,
      'unreachable',
      'Gatehouse does not answer.',
      'Check that it is running. This page asks again by itself.',
    );
  }
  lostSince.value = null;
  if (!reply.ok) {
    const failure = await failureOf(reply);
    if (failure.code === 'not_signed_in') session.value = null;
    throw failure;
  }
  return (reply.status === 204 ? undefined : await reply.json()) as T;
}

export const asApiError = (thrown: unknown) =>
  thrown instanceof ApiError
    ? thrown
    : new ApiError(0, 'page', String(thrown), 'Reload the page.');

export async function refreshSession(poll: boolean): Promise<void> {
  try {
    session.value = await request<Session>('GET', '/session', undefined, poll);
  } catch {
    // A 401 has set the session to null; anything else leaves what was known.
  }
}

export interface Live<T> {
  data: Signal<T | undefined>;
  error: Signal<ApiError | null>;
  load: (poll?: boolean) => Promise<void>;
}

const cells = new Map<string, Live<unknown>>();
// Pages visited with other filters need not stay: the oldest go.
const cellsMax = 40;

export function live<T>(path: string): Live<T> {
  const known = cells.get(path);
  if (known) return known as Live<T>;
  const cell: Live<T> = {
    data: signal<T | undefined>(undefined),
    error: signal<ApiError | null>(null),
    load: async (poll = false) => {
      try {
        cell.data.value = await request<T>('GET', path, undefined, poll);
        cell.error.value = null;
      } catch (thrown) {
        cell.error.value = asApiError(thrown);
      }
    },
  };
  if (cells.size >= cellsMax) cells.delete(cells.keys().next().value as string);
  cells.set(path, cell as Live<unknown>);
  return cell;
}

export function forget(): void {
  cells.clear();
}

export function useLive<T>(path: string, everyMs = 0): Live<T> {
  const cell = live<T>(path);
  useEffect(() => {
    void cell.load();
    if (!everyMs) return undefined;
    const timer = setInterval(() => {
      if (!document.hidden) void cell.load(true);
    }, everyMs);
    const shown = () => {
      if (!document.hidden) void cell.load(true);
    };
    document.addEventListener('visibilitychange', shown);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', shown);
    };
  }, [path, everyMs]);
  return cell;
}
