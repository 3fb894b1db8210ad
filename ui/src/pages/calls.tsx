// Every call, newest first and live. The filters are the address, so that a
// view can be kept and shared.
import { useSignal } from '@preact/signals';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Link, useSearchParams } from 'wouter-preact';
import { useLive } from '../api';
import type { Call, CallFilters } from '../contract';
import { clock, count, day, duration, moment, plural, shortCount, usd } from '../format';
import { Empty, Failure, Heading, Icon, State, outcomeWord } from '../parts/basics';
import { Rows } from '../parts/rows';
import { useShortcuts } from '../shortcuts';
import { useCallsFeed } from './calls_feed';

const statuses: [string, string][] = [
  ['ok', 'ok'],
  ['error', 'failed'],
  ['incomplete', 'cut off'],
  ['refused', 'refused'],
  ['cancelled', 'client left'],
  ['4xx', '4xx'],
  ['5xx', '5xx'],
  ['429', '429'],
];

const filterNames = ['model', 'key', 'status', 'upstream', 'since', 'trace', 'session'];

const columns = [
  { name: 'Ended', class: 'c-time' },
  { name: 'Outcome', class: 'c-state' },
  { name: 'Model', class: 'c-model' },
  { name: 'Key', class: 'c-key' },
  { name: 'Upstream', class: 'c-upstream' },
  { name: 'Tokens', class: 'c-tokens num' },
  { name: 'Cost', class: 'c-cost num' },
  { name: 'First token', class: 'c-first num' },
  { name: 'Total', class: 'c-total num' },
];

// Narrower than this, a row takes two lines.
const narrow = matchMedia('(max-width: 760px)');

function useRowPx(): number {
  const [px, set] = useState(narrow.matches ? 60 : 38);
  useEffect(() => {
    const changed = () => set(narrow.matches ? 60 : 38);
    narrow.addEventListener('change', changed);
    return () => narrow.removeEventListener('change', changed);
  }, []);
  return px;
}

function cells(c: Call, link: { tabIndex: number; 'data-row-link': true }) {
  const ended = c.started_at_ms + c.duration_ms;
  const today = Date.now() - ended < 43_200_000;
  return (
    <>
      <span role="cell" class="c-time">
        <Link {...link} class="row-link" href={`/calls/${encodeURIComponent(c.request_id)}`}>
          <time dateTime={new Date(ended).toISOString()} title={moment(ended)}>
            {today ? clock(ended) : `${day(ended)} ${clock(ended)}`}
          </time>
        </Link>
      </span>
      <span role="cell" class="c-state">
        <State word={c.outcome}>
          {outcomeWord[c.outcome]}
          {c.outcome !== 'ok' && <small> {c.status}</small>}
        </State>
      </span>
      <span role="cell" class="c-model" title={c.model ?? ''}>
        {c.model ?? '–'}
      </span>
      <span role="cell" class="c-key" title={c.key_name ?? ''}>
        {c.key_name ?? '–'}
      </span>
      <span role="cell" class="c-upstream">
        {c.upstream ?? '–'}
        {c.attempts > 1 && <small class="tag">{c.attempts} tries</small>}
      </span>
      <span role="cell" class="c-tokens num">
        {shortCount(c.tokens.input)}
        <span class="quiet"> → </span>
        {shortCount(c.tokens.output)}
      </span>
      <span role="cell" class="c-cost num">
        {usd(c.cost_nanousd)}
      </span>
      <span role="cell" class="c-first num">
        {duration(c.ttft_ms)}
      </span>
      <span role="cell" class="c-total num">
        {duration(c.duration_ms)}
      </span>
    </>
  );
}

interface FilterProps {
  name: string;
  label: string;
  all: string;
  values: [string, string][];
  value: string;
  choose: (name: string, value: string) => void;
}

function Filter({ name, label, all, values, value, choose }: FilterProps) {
  const known = value === '' || values.some(([v]) => v === value);
  return (
    <label class={`filter ${value ? 'on' : ''}`}>
      <span class="unseen">{label}</span>
      <select name={name} value={value} onChange={(event) => choose(name, event.currentTarget.value)}>
        <option value="">{all}</option>
        {!known && <option value={value}>{value}</option>}
        {values.map(([v, text]) => (
          <option key={v} value={v}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

function Filters({ params, choose }: { params: URLSearchParams; choose: (name: string, value: string) => void }) {
  const { data } = useLive<CallFilters>('/calls/filters');
  const f = data.value;
  const same = (list: string[] | undefined): [string, string][] => (list ?? []).map((v) => [v, v]);
  const of = (name: string) => params.get(name) ?? '';
  return (
    <>
      <Filter name="status" label="Outcome" all="Any outcome" values={statuses} value={of('status')} choose={choose} />
      <Filter name="model" label="Model" all="All models" values={same(f?.models)} value={of('model')} choose={choose} />
      <Filter
        name="key"
        label="Key"
        all="All keys"
        values={(f?.keys ?? []).map((k) => [k.id, k.name])}
        value={of('key')}
        choose={choose}
      />
      <Filter
        name="upstream"
        label="Upstream"
        all="All upstreams"
        values={same(f?.upstreams)}
        value={of('upstream')}
        choose={choose}
      />
      {['trace', 'session', 'since'].map(
        (name) =>
          of(name) && (
            <button key={name} type="button" class="button small" onClick={() => choose(name, '')}>
              {name}: {name === 'since' ? moment(Number(of(name))) : of(name).slice(0, 16)}{' '}
              <Icon path="M4.5 4.5l7 7M11.5 4.5l-7 7" />
              <span class="unseen">Remove this filter</span>
            </button>
          ),
      )}
    </>
  );
}

export function Calls(_: { params: Record<string, string | undefined> }) {
  const [params, setParams] = useSearchParams();
  const query = useMemo(() => {
    const kept = new URLSearchParams();
    for (const name of filterNames) {
      const value = params.get(name);
      if (value) kept.set(name, value);
    }
    return kept.toString();
  }, [params]);
  const feed = useCallsFeed(query);
  const scroller = useRef<HTMLDivElement>(null);
  const rowPx = useRowPx();
  const announce = useSignal('');
  const choose = (name: string, value: string) => {
    const next = new URLSearchParams(params);
    if (value) next.set(name, value);
    else next.delete(name);
    setParams(next, { replace: true });
  };
  const toggle = () => {
    feed.setPaused(!feed.paused.value);
    announce.value = feed.paused.value ? 'Paused' : 'Live';
  };
  const showNew = () => {
    feed.take();
    scroller.current?.scrollTo({ top: 0 });
  };
  useShortcuts([
    { keys: 'p', does: 'Pause or resume the live list', run: toggle },
    { keys: '/', does: 'Go to the filters', run: () => document.querySelector<HTMLElement>('.filter select')?.focus() },
    { keys: 'j', does: 'Into the list; then j and k move, Enter opens', run: () => scroller.current?.querySelector<HTMLElement>('[data-row-link][tabindex="0"]')?.focus() },
  ]);
  const list = feed.calls.value;
  const waiting = feed.waiting.value.length;
  return (
    <div class="calls">
      <div class="head">
        <Heading title="Calls" />
        <button type="button" class="button live" onClick={toggle} aria-pressed={!feed.paused.value}>
          <span class={`dot ${feed.live.value && !feed.paused.value ? 'on' : ''}`} aria-hidden="true" />
          <span class="live-word">{feed.paused.value ? 'Paused' : feed.live.value ? 'Live' : 'Waiting'}</span>
        </button>
        <div class="filters" role="group" aria-label="Filters">
          <Filters params={params} choose={choose} />
          {query && (
            <button type="button" class="button bare" onClick={() => setParams({}, { replace: true })}>
              Clear
            </button>
          )}
        </div>
      </div>
      <div class="unseen" role="status">
        {announce.value}
      </div>
      <div class="rows-box">
        {waiting > 0 && (
          <button type="button" class="button main newer" onClick={showNew}>
            {plural(waiting, 'new call')}
          </button>
        )}
        <Rows<Call>
          label="Calls"
          columns={columns}
          items={list}
          rowPx={rowPx}
          keyOf={(c) => c.request_id}
          row={cells}
          scroller={scroller}
          onEnd={() => void feed.older()}
          onTop={(atTop) => feed.setAtTop(atTop)}
        >
          {!feed.loaded.value && (
            <div class="rows-ghost" role="presentation">
              {Array.from({ length: 12 }, (_, i) => (
                <i key={i} />
              ))}
            </div>
          )}
        </Rows>
        {feed.loaded.value && list.length === 0 && (
          <div class="rows-none">
            {feed.error.value ? (
              <Failure error={feed.error.value} retry={() => void feed.reload()} />
            ) : query ? (
              <Empty title="No call fits these filters.">
                <p>New ones that do will appear here as they end.</p>
              </Empty>
            ) : (
              <Empty title="No calls yet.">
                <p>
                  They appear here as they end. <Link href="/">How to make the first one</Link>
                </p>
              </Empty>
            )}
          </div>
        )}
      </div>
      <p class="calls-foot quiet">
        {feed.error.value && list.length > 0
          ? `${feed.error.value.message} ${feed.error.value.next}`
          : `${count(list.length)} shown${feed.ended.value ? ', all that is kept' : ''}${
              feed.skipped.value ? `; ${count(feed.skipped.value)} came too fast to show` : ''
            }`}
      </p>
    </div>
  );
}
