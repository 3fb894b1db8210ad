// What is scraped: every target with its state and, where it fails, why.
import { useEffect, useState } from 'preact/hooks';
import { asApiError, type ApiError } from '../api';
import { ago, duration, plural } from '../format';
import { ask, type Labels } from '../metrics/api';
import { MetricTabs } from '../metrics/tabs';
import { Empty, Failure, Heading, Loading, State } from '../parts/basics';

interface Target {
  labels: Labels;
  scrapePool: string;
  scrapeUrl: string;
  lastError: string;
  lastScrape: string;
  lastScrapeDuration: number;
  health: 'up' | 'down' | 'unknown';
  scrapeInterval: string;
}

const everyMs = 5000;

export function useAsked<T>(path: string): { data: T | null; error: ApiError | null; load: () => void } {
  const [data, setData] = useState<T | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const load = () => {
    ask<T>(path, {})
      .then((answer) => {
        setData(answer.data);
        setError(null);
      })
      .catch((thrown: unknown) => setError(asApiError(thrown)));
  };
  useEffect(() => {
    load();
    const timer = setInterval(() => !document.hidden && load(), everyMs);
    return () => clearInterval(timer);
  }, [path]);
  return { data, error, load };
}

const words = { up: 'healthy', down: 'unhealthy', unknown: 'unknown' };

function Pool({ name, targets }: { name: string; targets: Target[] }) {
  const up = targets.filter((each) => each.health === 'up').length;
  return (
    <section aria-labelledby={`pool-${name}`}>
      <h2 id={`pool-${name}`}>
        {name} <small class="quiet">{up} of {plural(targets.length, 'target')} up</small>
      </h2>
      <div class="scroll-x" tabIndex={0} role="region" aria-label={`Targets of ${name}`}>
        <table class="values">
          <thead>
            <tr>
              <th scope="col">State</th>
              <th scope="col">Address</th>
              <th scope="col">Labels</th>
              <th scope="col">Last scrape</th>
              <th scope="col" class="number">
                Took
              </th>
            </tr>
          </thead>
          <tbody>
            {targets.map((each) => (
              <tr key={each.scrapeUrl + JSON.stringify(each.labels)}>
                <td>
                  <State word={words[each.health]}>{each.health === 'unknown' ? 'not yet' : each.health}</State>
                </td>
                <td>
                  <code>{each.scrapeUrl}</code>
                  {each.lastError && <p class="reason">{each.lastError}</p>}
                </td>
                <td>
                  {Object.entries(each.labels).map(([key, value]) => (
                    <code key={key} class="tag">
                      {key}="{value}"
                    </code>
                  ))}
                </td>
                <td>{each.health === 'unknown' ? 'not yet' : ago(Date.parse(each.lastScrape))}</td>
                <td class="number">{duration(each.lastScrapeDuration * 1000)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

export function Targets(_: { params: Record<string, string | undefined> }) {
  const { data, error, load } = useAsked<{ activeTargets: Target[] }>('targets');
  const pools = [...new Set(data?.activeTargets.map((each) => each.scrapePool) ?? [])].sort();
  return (
    <>
      <div class="head">
        <Heading title="Targets" />
        <MetricTabs at="/targets" />
      </div>
      {error && <Failure error={error} retry={load} />}
      {!data && !error && <Loading rows={6} />}
      {data && pools.length === 0 && (
        <Empty title="Nothing is scraped.">
          <p>
            Name a <code>prometheus.yml</code> under <code>metrics.prometheus_config</code> in <code>gatehouse.yaml</code>.
            This machine's own metrics and the gate's are collected without it.
          </p>
        </Empty>
      )}
      {pools.map((name) => (
        <Pool key={name} name={name} targets={data?.activeTargets.filter((each) => each.scrapePool === name) ?? []} />
      ))}
    </>
  );
}
