// The overview: one sentence that says how things stand, four figures with
// their course, then the upstreams and the models; and, until the first call
// has passed, the steps that lead to it.
import { useSignal } from '@preact/signals';
import { useMemo, useRef } from 'preact/hooks';
import { Link, useSearchParams } from 'wouter-preact';
import { session, useLive } from '../api';
import type { Overview } from '../contract';
import {
  count,
  dash,
  dollarsOf,
  duration,
  hourMinute,
  percent,
  plural,
  rate,
  shortCount,
  usd,
} from '../format';
import { Bar, Failure, Heading, Loading, State, passage } from '../parts/basics';
import type { Drawing } from '../parts/chart';
import { Plot } from '../parts/plot';
import { Checklist, complete } from './checklist';
import { verdict } from './verdict';

const ranges = { '15m': '15 min', '1h': '1 hour', '24h': '24 hours' };
type Range = keyof typeof ranges;
// As in "over the last …".
const spans: Record<Range, string> = { '15m': '15 minutes', '1h': 'hour', '24h': '24 hours' };

const everyMs = 5000;

function rangeOf(search: URLSearchParams): Range {
  const asked = search.get('range') ?? '';
  return asked in ranges ? (asked as Range) : '1h';
}

export const overviewPath = (search: string) =>
  `/overview?range=${rangeOf(new URLSearchParams(search))}`;

interface FigureProps {
  name: string;
  value: string;
  unit?: string;
  note: string;
  tone?: string;
  chart: string;
  drawing: Omit<Drawing, 'hover'> | null;
}

// The line under a figure tells its change, and while the pointer is on the
// chart, the moment under the pointer. Its height is fixed.
function Figure({ name, value, unit, note, tone = '', chart, drawing }: FigureProps) {
  const index = useSignal<number | null>(null);
  const full = useMemo(
    () => drawing && { ...drawing, hover: (i: number | null) => (index.value = i) },
    [drawing],
  );
  const i = index.value;
  const pointed = i === null ? null : drawing?.values[i];
  return (
    <section class="figure">
      <h2>{name}</h2>
      <p class={`figure-value ${tone}`}>
        {value}
        {unit && <small>{unit}</small>}
      </p>
      <p class="figure-note">
        {i !== null && drawing && pointed !== undefined
          ? `${hourMinute(drawing.at_ms[i] ?? 0)}  ${pointed === null ? dash : drawing.label(pointed)}`
          : note}
      </p>
      <Plot label={chart} drawing={full} />
    </section>
  );
}

// "12% more than the hour before": a change under 2 % is none.
function change(now: number | null, before: number | null | undefined, range: Range): string {
  const span = { '15m': '15 min', '1h': 'hour', '24h': 'day' }[range];
  if (now === null || before === null || before === undefined || before === 0) return '\u00a0';
  const ratio = now / before - 1;
  if (Math.abs(ratio) < 0.02) return `as in the ${span} before`;
  const size = Math.abs(ratio) >= 10 ? 'far' : percent(Math.abs(ratio));
  return `${size} ${ratio > 0 ? 'more' : 'less'} than the ${span} before`;
}

function useDrawings(o: Overview | undefined) {
  return useMemo(() => {
    if (!o) return { calls: null, errors: null, ttft: null };
    const { at_ms, calls, errors, ttft_p95_ms } = o.series;
    const seconds = o.step_ms / 1000;
    const perSecond = (list: number[]) => list.map((n) => n / seconds);
    return {
      calls: {
        kind: 'bars' as const,
        tone: 'accent' as const,
        at_ms,
        values: perSecond(calls),
        over: perSecond(errors),
        label: (v: number) => `${rate(v)}/s`,
        least: 0.1,
      },
      errors: {
        kind: 'line' as const,
        tone: 'bad' as const,
        at_ms,
        values: calls.map((n, i) => (n ? (errors[i] ?? 0) / n : null)),
        label: percent,
        least: 0.02,
      },
      ttft: {
        kind: 'line' as const,
        tone: 'ink' as const,
        at_ms,
        values: ttft_p95_ms,
        label: duration,
        least: 100,
      },
    };
  }, [o]);
}

function Spend({ o }: { o: Overview }) {
  const s = o.spend;
  const line = (name: string, spent: string, budget: string | null, passed: number) => {
    const ratio = budget ? dollarsOf(spent) / dollarsOf(budget) : 0;
    return (
      <div class="spend-line">
        <span>{name}</span>
        {budget ? (
          <>
            <Bar
              ratio={ratio}
              mark={passed}
              label={`${name}: ${usd(spent)} of ${usd(budget)}, ${percent(ratio)}; ${percent(passed)} of the time has passed`}
            />
            <span>
              {percent(ratio)} of {usd(budget)}
            </span>
          </>
        ) : (
          <span class="quiet">{usd(spent)}, no budget set</span>
        )}
      </div>
    );
  };
  const now = new Date(o.now_at_ms);
  const dayPassed = (now.getTime() % 86_400_000) / 86_400_000;
  const days = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 0)).getUTCDate();
  return (
    <section class="figure spending">
      <h2>Spend today</h2>
      <p class="figure-value">{usd(s.today_nanousd)}</p>
      <p class="figure-note">{usd(s.month_nanousd)} this month</p>
      <div class="spend">
        {line('Today', s.today_nanousd, s.daily_budget_nanousd, dayPassed)}
        {line('Month', s.month_nanousd, s.monthly_budget_nanousd, (now.getUTCDate() - 1 + dayPassed) / days)}
        <p class="quiet">
          {shortCount(o.tokens.input)} tokens in, {shortCount(o.tokens.output)} out
          {s.estimated_ratio > 0 && `; ${percent(s.estimated_ratio)} estimated`}
        </p>
      </div>
    </section>
  );
}

function UpstreamList({ o }: { o: Overview }) {
  return (
    <section>
      <h2>
        <Link href="/upstreams">Upstreams</Link>
      </h2>
      <ul class="ledger">
        {o.upstreams.map((u) => {
          const pass = passage(u.health, u.breaker);
          return (
            <li key={u.name}>
              <span class="ledger-name">
                <Link href={`/upstreams#${encodeURIComponent(u.name)}`}>{u.name}</Link>
                {u.reason && <small>{u.reason}</small>}
              </span>
              <span class="ledger-figure">
                {duration(u.ttft_p95_ms)} <small>p95</small>
              </span>
              <span class="ledger-state">
                <State word={pass.word}>{pass.text}</State>
              </span>
            </li>
          );
        })}
        {o.upstreams.length === 0 && <li class="quiet">None is configured.</li>}
      </ul>
    </section>
  );
}

function ModelList({ o }: { o: Overview }) {
  const most = o.top_models[0]?.calls ?? 1;
  return (
    <section>
      <h2>
        <Link href="/calls">Most called</Link>
      </h2>
      <ul class="ledger">
        {o.top_models.map((m) => (
          <li key={m.model}>
            <span class="ledger-name">
              <Link href={`/calls?model=${encodeURIComponent(m.model)}`}>{m.model}</Link>
              <svg class="share" viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true">
                <rect width={(100 * m.calls) / most} height="3" />
              </svg>
            </span>
            <span class="ledger-figure">
              {shortCount(m.calls)} <small>{m.calls === 1 ? 'call' : 'calls'}</small>
            </span>
            <span class="ledger-figure">{usd(m.cost_nanousd)}</span>
          </li>
        ))}
        {o.top_models.length === 0 && <li class="quiet">No calls in this time.</li>}
      </ul>
    </section>
  );
}

function RangePicker({ range, choose }: { range: Range; choose: (range: Range) => void }) {
  return (
    <fieldset class="segments">
      <legend class="unseen">Time shown</legend>
      {(Object.keys(ranges) as Range[]).map((r) => (
        <label key={r}>
          <input type="radio" name="range" checked={r === range} onChange={() => choose(r)} />
          <span>{ranges[r]}</span>
        </label>
      ))}
    </fieldset>
  );
}

export function Home() {
  const [search, setSearch] = useSearchParams();
  const range = rangeOf(search);
  const { data, error, load } = useLive<Overview>(`/overview?range=${range}`, everyMs);
  // Another range keeps the figures of the last one until its own arrive.
  const last = useRef<Overview | undefined>(undefined);
  const o = data.value ?? last.current;
  last.current = o;
  // Before the first call there is nothing to chart.
  const any = o?.checklist.first_call ?? false;
  const drawings = useDrawings(o);
  const says = o ? verdict(o, spans[range]) : null;
  const errorTone = o && (o.error_ratio ?? 0) >= 0.05 ? 'bad' : '';
  if (!o && error.value && error.value.status > 0) {
    return (
      <>
        <Heading title="Overview" />
        <Failure error={error.value} retry={() => void load()} />
      </>
    );
  }
  return (
    <>
      <div class="verdict">
        <div>
          <Heading title="Overview">
            <span class="unseen">Overview: </span>
            <span class={says?.tone}>{says?.title ?? 'Looking…'}</span>
          </Heading>
          <p role="status">{says?.detail ?? '\u00a0'}</p>
        </div>
        {any && (
          <RangePicker
            range={range}
            choose={(r) => setSearch(r === '1h' ? {} : { range: r }, { replace: true })}
          />
        )}
      </div>
      {o && session.value && !complete(o.checklist) && <Checklist list={o.checklist} who={session.value} />}
      {!o && <Loading rows={10} />}
      {o && any && (
        <div class="figures">
          <Figure
            name="Calls"
            value={rate(o.calls_per_second)}
            unit="/s"
            note={change(o.calls_per_second, o.previous?.calls_per_second, range)}
            chart={`Calls per second over the last ${spans[range]}, failed ones marked: ${plural(o.calls, 'call')}`}
            drawing={drawings.calls}
          />
          <Figure
            name="Failing"
            value={percent(o.error_ratio)}
            tone={errorTone}
            note={`${count(o.errors)} failed, ${count(o.refused)} refused`}
            chart={`Share of calls that failed over the last ${spans[range]}`}
            drawing={drawings.errors}
          />
          <Figure
            name="Time to first token, p95"
            value={duration(o.ttft_p95_ms)}
            note={o.ttft_p50_ms === null ? '\u00a0' : `half within ${duration(o.ttft_p50_ms)}`}
            chart={`95th percentile of the time to first token over the last ${spans[range]}`}
            drawing={drawings.ttft}
          />
          <Spend o={o} />
        </div>
      )}
      {o && (any || o.upstreams.length > 0) && (
        <div class="pair">
          <UpstreamList o={o} />
          {any && <ModelList o={o} />}
        </div>
      )}
    </>
  );
}
