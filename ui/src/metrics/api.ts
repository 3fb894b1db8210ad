// Prometheus's HTTP API as the explorer uses it.
import { ApiError, lostSince, session } from '../api';

export type Labels = Record<string, string>;
// Seconds and the value as text; of a native histogram, its object.
export type PointText = [number, string];
export interface HistogramValue {
  count: string;
  sum: string;
  buckets?: [number, string, string, string][];
}

export interface ResultSeries {
  metric: Labels;
  value?: PointText;
  values?: PointText[];
  histogram?: [number, HistogramValue];
  histograms?: [number, HistogramValue][];
}

export type QueryData =
  | { resultType: 'vector' | 'matrix'; result: ResultSeries[] }
  | { resultType: 'scalar' | 'string'; result: PointText };

export interface Answer<T> {
  data: T;
  warnings: string[];
  infos: string[];
}

const patienceMs = 130_000;

export async function ask<T>(path: string, parameters: Record<string, string>, stop?: AbortSignal): Promise<Answer<T>> {
  const limit = AbortSignal.timeout(patienceMs);
  let reply: Response;
  try {
    reply = await fetch(`/api/v1/${path}?${new URLSearchParams(parameters)}`, {
      signal: stop ? AbortSignal.any([stop, limit]) : limit,
    });
  } catch (thrown) {
    if (stop?.aborted) throw thrown;
    lostSince.value ??= Date.now();
    throw new ApiError(0, 'unreachable', 'Gatehouse does not answer.', 'Check that it is running.');
  }
  lostSince.value = null;
  let body: { status: string; data?: T; error?: string; errorType?: string; warnings?: string[]; infos?: string[] };
  try {
    body = await reply.json();
  } catch {
    throw new ApiError(reply.status, 'unreadable', `The answer had status ${reply.status} and cannot be read.`, '');
  }
  if (body.status !== 'success') {
    if (reply.status === 401) session.value = null;
    throw new ApiError(reply.status, body.errorType ?? 'error', body.error ?? 'The query failed.', '');
  }
  return { data: body.data as T, warnings: body.warnings ?? [], infos: body.infos ?? [] };
}

export function nameOf(labels: Labels): string {
  const { __name__: name = '', ...others } = labels;
  const pairs = Object.entries(others).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return pairs.length || !name ? `${name}{${pairs.join(', ')}}` : name;
}

export const numberOf = (text: string): number =>
  text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text);
