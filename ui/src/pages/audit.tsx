// The audit log, newest first: every change and every refusal, who and from where.
import { useSignal } from '@preact/signals';
import { asApiError, request, useLive, type ApiError } from '../api';
import type { AuditEntry, AuditPage } from '../contract';
import { clock, date, day, moment } from '../format';
import { Empty, Failure, Heading, Loading, State } from '../parts/basics';

function Row({ e }: { e: AuditEntry }) {
  const details = Object.entries(e.details)
    .map(([name, value]) => `${name}: ${value}`)
    .join(', ');
  const thisYear = new Date(e.at_ms).getFullYear() === new Date().getFullYear();
  return (
    <tr>
      <td class="num wide">{e.sequence}</td>
      <td class="when tab">
        <time dateTime={new Date(e.at_ms).toISOString()} title={moment(e.at_ms)}>
          <span>{thisYear ? day(e.at_ms) : date(e.at_ms)}</span> <span>{clock(e.at_ms)}</span>
        </time>
      </td>
      <td>
        {e.actor ?? <span class="quiet">unknown</span>}
        {e.actor && e.actor_kind !== 'user' && <small class="tag">{e.actor_kind}</small>}
      </td>
      <th scope="row">{e.action}</th>
      <td class="mid">{e.target ?? ''}</td>
      <td>
        <State word={e.outcome} />
      </td>
      <td class="wide">{e.address ?? ''}</td>
      <td class="wide">{details}</td>
    </tr>
  );
}

export function Audit(_: { params: Record<string, string | undefined> }) {
  const { data, error, load } = useLive<AuditPage>('/audit?limit=100', 10_000);
  const older = useSignal<AuditEntry[]>([]);
  const next = useSignal<string | null | undefined>(undefined);
  const failed = useSignal<ApiError | null>(null);
  const first = data.value;
  const cursor = next.value === undefined ? first?.next_before : next.value;
  const more = async () => {
    try {
      const page = await request<AuditPage>('GET', `/audit?limit=100&before=${encodeURIComponent(cursor ?? '')}`);
      // Entries of the first page stay here too: it moves on as new ones come.
      const before = older.value.length ? older.value : (first?.entries ?? []);
      older.value = [...before, ...page.entries];
      next.value = page.next_before;
      failed.value = null;
    } catch (thrown) {
      failed.value = asApiError(thrown);
    }
  };
  const seen = new Set(first?.entries.map((e) => e.sequence));
  const all = first && [...first.entries, ...older.value.filter((e) => !seen.has(e.sequence))];
  return (
    <>
      <div class="head">
        <Heading title="Audit" />
        <span class="quiet">
          Each entry holds the hash of the one before; <code>gatehouse audit verify</code> checks the chain.
        </span>
      </div>
      {!all && (error.value ? <Failure error={error.value} retry={() => void load()} /> : <Loading rows={8} />)}
      {all?.length === 0 && <Empty title="Nothing has been recorded yet." />}
      {all && all.length > 0 && (
        <div class="table-box" tabIndex={0} role="region" aria-label="Entries">
          <table class="table">
            <thead>
              <tr>
                <th scope="col" class="num wide">
                  No.
                </th>
                <th scope="col">When</th>
                <th scope="col">Who</th>
                <th scope="col">Action</th>
                <th scope="col" class="mid">
                  Target
                </th>
                <th scope="col">Outcome</th>
                <th scope="col" class="wide">
                  From
                </th>
                <th scope="col" class="wide">
                  Details
                </th>
              </tr>
            </thead>
            <tbody>
              {all.map((e) => (
                <Row key={e.sequence} e={e} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {failed.value && <Failure error={failed.value} />}
      {cursor && (
        <button type="button" class="button" onClick={more}>
          Older entries
        </button>
      )}
    </>
  );
}
