// The store of samples: how much it holds, what holds the most, and what it costs.
import { bytes, count, moment, sentence } from '../format';
import { MetricTabs } from '../metrics/tabs';
import { rangeText } from '../metrics/view';
import { Failure, Heading, Loading } from '../parts/basics';
import { useAsked } from './targets';

interface Ranked {
  name: string;
  value: number;
}

interface StoreStatus {
  headStats: { numSeries: number; numLabelPairs: number; chunkCount: number; minTime: number; maxTime: number };
  seriesCountByMetricName: Ranked[];
  labelValueCountByLabelName: Ranked[];
  memoryInBytesByLabelName: Ranked[];
  seriesCountByLabelValuePair: Ranked[];
  storage: {
    memoryBytes: number;
    walBytes: number;
    blocksBytes: number;
    problem: string; // empty where all is well
    retentionMs: number;
    retentionBytes: number;
    blocks: { id: string; minTime: number; maxTime: number; series: number; samples: number; bytes: number; level: number }[];
  };
}

function Ranking({ title, rows, show }: { title: string; rows: Ranked[]; show: (n: number) => string }) {
  const most = Math.max(1, ...rows.map((row) => row.value));
  return (
    <section class="ranking" aria-label={title}>
      <h2>{title}</h2>
      {rows.length === 0 && <p class="quiet">Nothing yet.</p>}
      <table class="values">
        <tbody>
          {rows.map((row) => (
            <tr key={row.name}>
              <td>
                <code>{row.name}</code>
                <svg class="bar ok" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
                  <rect class="bar-fill" width={(100 * row.value) / most} height="4" />
                </svg>
              </td>
              <td class="number">{show(row.value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const timeOf = (at_ms: number) => (Math.abs(at_ms) > 8e15 ? 'none' : moment(at_ms));

export function Store(_: { params: Record<string, string | undefined> }) {
  const { data, error, load } = useAsked<StoreStatus>('status/tsdb');
  const blocks = data?.storage.blocks ?? [];
  const samples = blocks.reduce((sum, each) => sum + each.samples, 0);
  const size = blocks.reduce((sum, each) => sum + each.bytes, 0);
  return (
    <>
      <div class="head">
        <Heading title="Store" />
        <MetricTabs at="/store" />
      </div>
      {error && <Failure error={error} retry={load} />}
      {!data && !error && <Loading rows={8} />}
      {data && (
        <>
          <dl class="stats store-stats">
            <div>
              <dt>Live series</dt>
              <dd>{count(data.headStats.numSeries)}</dd>
            </div>
            <div>
              <dt>Memory</dt>
              <dd>
                {bytes(data.storage.memoryBytes)}
                {data.headStats.numSeries > 0 && (
                  <small>{bytes(Math.round(data.storage.memoryBytes / data.headStats.numSeries))} a series</small>
                )}
              </dd>
            </div>
            <div>
              <dt>Log</dt>
              <dd>{bytes(data.storage.walBytes)}</dd>
            </div>
            <div>
              <dt>Blocks</dt>
              <dd>
                {bytes(data.storage.blocksBytes)}
                {samples > 0 && <small>{(size / samples).toFixed(2)} B a sample</small>}
              </dd>
            </div>
            <div>
              <dt>Kept</dt>
              <dd>
                {data.storage.retentionMs > 0 ? rangeText(data.storage.retentionMs / 1000) : 'for ever'}
                {data.storage.retentionBytes > 0 && <small>at most {bytes(data.storage.retentionBytes)}</small>}
              </dd>
            </div>
          </dl>
          {data.storage.problem && (
            <p class="callout" role="alert">
              {sentence(data.storage.problem)} The rest is served.
            </p>
          )}
          <div class="rankings">
            <Ranking title="Most series, by metric" rows={data.seriesCountByMetricName} show={count} />
            <Ranking title="Most values, by label" rows={data.labelValueCountByLabelName} show={count} />
            <Ranking title="Most memory, by label" rows={data.memoryInBytesByLabelName} show={bytes} />
            <Ranking title="Most series, by pair" rows={data.seriesCountByLabelValuePair} show={count} />
          </div>
          <section aria-label="Blocks">
            <h2>Blocks</h2>
            <p class="quiet">
              In memory from {timeOf(data.headStats.minTime)} to {timeOf(data.headStats.maxTime)}.
            </p>
            {blocks.length > 0 && (
              <div class="scroll-x" tabIndex={0} role="region" aria-label="Table of blocks">
                <table class="values">
                  <thead>
                    <tr>
                      <th scope="col">From</th>
                      <th scope="col">Length</th>
                      <th scope="col" class="number">
                        Series
                      </th>
                      <th scope="col" class="number">
                        Samples
                      </th>
                      <th scope="col" class="number">
                        Size
                      </th>
                      <th scope="col" class="number">
                        A sample
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {blocks.map((each) => (
                      <tr key={each.id}>
                        <td>{moment(each.minTime)}</td>
                        <td>{rangeText((each.maxTime - each.minTime) / 1000)}</td>
                        <td class="number">{count(each.series)}</td>
                        <td class="number">{count(each.samples)}</td>
                        <td class="number">{bytes(each.bytes)}</td>
                        <td class="number">{each.samples ? `${(each.bytes / each.samples).toFixed(2)} B` : ''}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            )}
          </section>
        </>
      )}
    </>
  );
}
