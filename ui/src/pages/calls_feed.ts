// The calls on screen: a first page, older pages as the reader scrolls, and new
// calls as they end. While the reader looks at older ones, or has paused, new
// calls wait aside and are counted, so that nothing moves under the eye.
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { asApiError, request, type ApiError } from '../api';
import type { Call, CallPage } from '../contract';

// A browser keeps these many calls; older ones are fetched again by scrolling.
const keptMax = 20_000;
const pageSize = 100;
const retryMs = 4000;

export class CallsFeed {
  readonly calls = signal<Call[]>([]);
  readonly waiting = signal<Call[]>([]);
  readonly loaded = signal(false);
  readonly error = signal<ApiError | null>(null);
  readonly paused = signal(false);
  readonly live = signal(false);
  readonly ended = signal(false);
  readonly skipped = signal(0);
  private atTop = true;
  private next: string | null = null;
  private loading = false;
  private stream: EventSource | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  constructor(private readonly query: string) {}

  start(): void {
    this.closed = false;
    this.listen();
    void this.reload();
  }

  stop(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.stream?.close();
    this.stream = null;
  }

  setPaused(paused: boolean): void {
    this.paused.value = paused;
    if (!paused) this.take();
  }

  setAtTop(atTop: boolean): void {
    this.atTop = atTop;
    if (atTop && !this.paused.value) this.take();
  }

  // Puts the calls that wait on top of the list.
  take(): void {
    if (this.waiting.value.length === 0) return;
    this.put(this.waiting.value);
    this.waiting.value = [];
  }

  async reload(): Promise<void> {
    try {
      const page = await request<CallPage>('GET', `/calls?limit=${pageSize}${this.query && `&${this.query}`}`);
      if (this.closed) return;
      // Calls that came over the stream meanwhile are newer than the page.
      const known = new Set(page.calls.map((c) => c.request_id));
      const newer = this.calls.value.filter((c) => !known.has(c.request_id));
      this.calls.value = this.loaded.value ? page.calls : [...newer, ...page.calls];
      this.waiting.value = [];
      this.next = page.next_before;
      this.ended.value = page.next_before === null;
      this.error.value = null;
    } catch (thrown) {
      this.error.value = asApiError(thrown);
    }
    this.loaded.value = true;
  }

  async older(): Promise<void> {
    if (this.loading || this.next === null || this.calls.value.length >= keptMax) return;
    this.loading = true;
    try {
      const before = encodeURIComponent(this.next);
      const page = await request<CallPage>(
        'GET',
        `/calls?limit=${pageSize}&before=${before}${this.query && `&${this.query}`}`,
      );
      if (!this.closed) {
        this.calls.value = [...this.calls.value, ...page.calls];
        this.next = page.next_before;
        this.ended.value = page.next_before === null;
      }
    } catch (thrown) {
      this.error.value = asApiError(thrown);
    }
    this.loading = false;
  }

  private put(newestFirst: Call[]): void {
    const known = new Set(this.calls.value.slice(0, 1000).map((c) => c.request_id));
    const fresh = newestFirst.filter((c) => !known.has(c.request_id));
    this.calls.value = [...fresh, ...this.calls.value].slice(0, keptMax);
  }

  private arrive(oldestFirst: Call[]): void {
    const newest = oldestFirst.reverse();
    if (this.atTop && !this.paused.value) this.put(newest);
    else this.waiting.value = [...newest, ...this.waiting.value].slice(0, keptMax);
  }

  private listen(): void {
    const stream = new EventSource(`/api/v1/calls/live${this.query && `?${this.query}`}`);
    let lost = false;
    this.stream = stream;
    stream.onopen = () => {
      this.live.value = true;
      if (lost) void this.reload();
      lost = false;
    };
    stream.onerror = () => {
      this.live.value = false;
      lost = true;
      // A refusal closes the stream for good; the browser retries only cut ones.
      if (stream.readyState !== EventSource.CLOSED || this.closed) return;
      this.timer = setTimeout(() => {
        this.listen();
        void this.reload();
      }, retryMs);
    };
    stream.addEventListener('calls', (event) => this.arrive(JSON.parse(event.data as string) as Call[]));
    stream.addEventListener('skipped', (event) => {
      this.skipped.value += (JSON.parse(event.data as string) as { count: number }).count;
    });
  }
}

export function useCallsFeed(query: string): CallsFeed {
  const [held, hold] = useState(() => ({ query, feed: new CallsFeed(query) }));
  let feed = held.feed;
  if (held.query !== query) {
    feed = new CallsFeed(query);
    hold({ query, feed });
  }
  useEffect(() => {
    feed.start();
    return () => feed.stop();
  }, [feed]);
  return feed;
}
