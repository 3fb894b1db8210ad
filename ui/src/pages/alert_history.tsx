// What fired, when and for how long; who was told, and who silenced it.
import { useEffect, useState } from 'preact/hooks';
import { useSearchParams } from 'wouter-preact';
import { asApiError, type ApiError } from '../api';
import { history, type HistoryEntry } from '../alerts/api';
import { AlertTabs, LabelTags } from '../alerts/parts';
import { moment } from '../format';
import { Empty, Failure, Heading, Loading, State } from '../parts/basics';

const kinds: Record<string, [string, string]> = {
  pending: ['unknown', 'pending'],
  firing: ['error', 'fires'],
  resolved: ['ok', 'resolved'],
  vanished: ['degraded', 'data gone'],
  suppressed: ['unknown', 'held back'],
  unsuppressed: ['degraded', 'no longer held back'],
  notified: ['unknown', 'told'],
  notify_failed: ['error', 'not told'],
  silence_created: ['unknown', 'silence made'],
  silence_expired: ['unknown', 'silence ended'],
  silence_ending: ['unknown', 'silence ends soon'],
  flapping: ['degraded', 'flapping'],
};

const ranges: [string, number][] = [
  ['1 h', 3_600_000],
  ['1 day', 86_400_000],
  ['1 week', 604_800_000],
  ['30 days', 2_592_000_000],
];

export function HistoryList({ entries, without }: { entries: HistoryEntry[]; without?: string }) {
  if (!entries.length) return <p class="quiet">Nothing is recorded.</p>;
  return (
    <div class="table-box" tabIndex={0} role="region" aria-label="What happened">
      <table class="table history">
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">What</th>
            {without !== 'alertname' && <th scope="col">Alert</th>}
            <th scope="col">Who</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((e, i) => {
            const [word, text] = kinds[e.kind] ?? ['unknown', e.kind];
            return (
              <tr key={`${e.at_ms} ${i}`}>
                <td class="when">
                  <span>{moment(e.at_ms)}</span>
                </td>
                <td>
                  <State word={word}>{text}</State>
                  {e.text && <p class="reason">{e.text}</p>}
                </td>
                {without !== 'alertname' && (
                  <td>
                    {e.alertname ?? ''} <LabelTags labels={e.labels} without={['alertname']} />
                  </td>
                )}
                <td>{e.by ?? (e.receiver ? `${e.receiver}${e.integration ? ` by ${e.integration}` : ''}` : '')}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

export function AlertHistory(_: { params: Record<string, string | undefined> }) {
  const [search, setSearch] = useSearchParams();
  const filter = search.get('filter') ?? '';
  const range = Number(search.get('range') ?? 604_800_000);
  const [text, setText] = useState(filter);
  const [entries, setEntries] = useState<HistoryEntry[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const get = async (before: string | null) => {
    try {
      const found = await history({
        limit: '100',
        since: String(Date.now() - range),
        ...(filter && { filter }),
        ...(before && { before }),
      });
      setEntries((known) => (before && known ? [...known, ...found.entries] : found.entries));
      setNext(found.next_before);
      setError(null);
    } catch (thrown) {
      setError(asApiError(thrown));
    }
  };
  useEffect(() => void get(null), [filter, range]);
  const put = (changed: Record<string, string>) => setSearch({ filter, range: String(range), ...changed }, { replace: true });
  return (
    <>
      <div class="head">
        <Heading title="History of alerts" />
        <AlertTabs at="/alerts/history" />
      </div>
      <form
        class="time-bar"
        onSubmit={(event) => {
          event.preventDefault();
          put({ filter: text.trim() });
        }}
      >
        <label class="history-filter">
          <span class="unseen">Labels</span>
          <input value={text} placeholder='alertname="…", severity=~"critical|page"' onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        <button type="submit" class="button">
          Filter
        </button>
        <div class="choice" role="group" aria-label="How far back">
          {ranges.map(([name, ms]) => (
            <button key={ms} type="button" aria-pressed={range === ms} onClick={() => put({ range: String(ms) })}>
              {name}
            </button>
          ))}
        </div>
      </form>
      {error && <Failure error={error} retry={() => void get(null)} />}
      {!entries && !error && <Loading rows={8} />}
      {entries?.length === 0 && <Empty title="Nothing happened in this time." />}
      {entries && entries.length > 0 && <HistoryList entries={entries} />}
      {next && (
        <button type="button" class="button" onClick={() => void get(next)}>
          Older
        </button>
      )}
    </>
  );
}
