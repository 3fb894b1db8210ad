// The upstreams: what Gatehouse knows of the health of each, and why.
import { Link } from 'wouter-preact';
import { useLive } from '../api';
import type { Upstream } from '../contract';
import { ago, count, duration, percent, until } from '../format';
import { Bar, Empty, Failure, Heading, Loading, State, passage } from '../parts/basics';

function breakerText(u: Upstream): string {
  if (u.breaker === 'closed') return 'closed: calls pass';
  if (u.breaker === 'half_open') return 'half open: one probe at a time';
  return `open: calls are held back${u.breaker_until_at_ms === null ? '' : `, a probe ${until(u.breaker_until_at_ms)}`}`;
}

function Block({ u }: { u: Upstream }) {
  const pass = passage(u.health, u.breaker);
  return (
    <article class="upstream" id={u.name} aria-labelledby={`name-${u.name}`}>
      <div class="upstream-name">
        <h2 id={`name-${u.name}`}>{u.name}</h2>
        <p class="quiet">
          {u.kind} · {u.host}
        </p>
        <State word={pass.word}>{pass.text}</State>
        {u.ejected && <small class="tag">left out as an outlier</small>}
        {u.reasons.map((r) => (
          <p key={r} class="reason">
            {r}
          </p>
        ))}
      </div>
      <dl class="stats">
        <div>
          <dt>In flight</dt>
          <dd>{count(u.in_flight)}</dd>
        </div>
        <div>
          <dt>Failing</dt>
          <dd>
            {percent(u.error_ratio)}
            <small>of {count(u.calls)} in 5 min</small>
          </dd>
        </div>
        <div>
          <dt>First token</dt>
          <dd>
            {duration(u.ttft_p50_ms)}
            <small>p95 {duration(u.ttft_p95_ms)}</small>
          </dd>
        </div>
        <div>
          <dt>Total</dt>
          <dd>
            {duration(u.latency_p50_ms)}
            <small>p95 {duration(u.latency_p95_ms)}</small>
          </dd>
        </div>
      </dl>
      <dl class="facts">
        <div>
          <dt>Breaker</dt>
          <dd>{breakerText(u)}</dd>
        </div>
        <div>
          <dt>Retry budget</dt>
          <dd class="with-bar">
            <Bar ratio={1 - u.retry_budget_ratio} label={`${percent(1 - u.retry_budget_ratio)} of the retry budget is used`} />
            <span>{percent(u.retry_budget_ratio)} left</span>
          </dd>
        </div>
        <div>
          <dt>Last check</dt>
          <dd>
            {u.last_check_at_ms === null ? 'not yet' : `${ago(u.last_check_at_ms)}, took ${duration(u.last_check_ms)}`}
          </dd>
        </div>
        <div>
          <dt>Models</dt>
          <dd>{u.models.length ? u.models.join(', ') : 'none routed here'}</dd>
        </div>
        <div>
          <dt>Calls</dt>
          <dd>
            <Link href={`/calls?upstream=${encodeURIComponent(u.name)}`}>Those it served</Link>
          </dd>
        </div>
      </dl>
    </article>
  );
}

export function Upstreams(_: { params: Record<string, string | undefined> }) {
  const { data, error, load } = useLive<{ upstreams: Upstream[] }>('/upstreams', 5000);
  const all = data.value?.upstreams;
  return (
    <>
      <div class="head">
        <Heading title="Upstreams" />
      </div>
      {!all && (error.value ? <Failure error={error.value} retry={() => void load()} /> : <Loading rows={8} />)}
      {all?.length === 0 && (
        <Empty title="No upstream is configured.">
          <p>
            Name one under <code>upstreams</code> in <code>gatehouse.yaml</code>; the file is read again when it is
            saved.
          </p>
        </Empty>
      )}
      {all?.map((u) => <Block key={u.name} u={u} />)}
    </>
  );
}
