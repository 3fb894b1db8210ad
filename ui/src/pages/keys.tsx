// The keys: who may call, what they spend, and making a new one.
import { useSignal } from '@preact/signals';
import { Link, useSearchParams } from 'wouter-preact';
import { live, may, request, useLive } from '../api';
import type { Key, KeyWithSecret } from '../contract';
import { ago, dollarsOf, percent, shortCount, usd } from '../format';
import { Bar, Empty, Failure, Heading, Loading, State } from '../parts/basics';
import { useShortcuts } from '../shortcuts';
import { KeyForm, SecretOnce } from './key_form';

// Of the day's and the month's budget the one that is nearer its end.
export function tightest(key: Key): { ratio: number; label: string; budget: string; spent: string } | null {
  const sides = [
    { label: 'today', budget: key.limits.daily_nanousd, spent: key.usage.spend_today_nanousd },
    { label: 'this month', budget: key.limits.monthly_nanousd, spent: key.usage.spend_month_nanousd },
  ].flatMap(({ label, budget, spent }) =>
    budget === null ? [] : [{ label, budget, spent, ratio: dollarsOf(spent) / dollarsOf(budget) }],
  );
  return sides.sort((a, b) => b.ratio - a.ratio)[0] ?? null;
}

function Row({ k }: { k: Key }) {
  const tight = tightest(k);
  return (
    <tr class={k.state === 'active' ? '' : 'gone'}>
      <th scope="row">
        <Link class="row-link" href={`/keys/${encodeURIComponent(k.id)}`}>
          {k.name}
        </Link>
        {k.role !== 'caller' && <small class="tag">{k.role}</small>}
      </th>
      <td>
        <State word={k.state} />
      </td>
      <td class="wide">{k.models.join() === '*' ? <span class="quiet">all</span> : k.models.join(', ')}</td>
      <td class="num mid">{shortCount(k.usage.requests)}</td>
      <td class="num">{usd(k.usage.spend_today_nanousd)}</td>
      <td class="mid budget">
        {tight ? (
          <>
            <Bar ratio={tight.ratio} label={`${usd(tight.spent)} of ${usd(tight.budget)} ${tight.label}`} />
            <small>
              {percent(tight.ratio)} of {usd(tight.budget)} {tight.label}
            </small>
          </>
        ) : (
          <span class="quiet">no budget</span>
        )}
      </td>
      <td class="num wide">{ago(k.last_used_at_ms)}</td>
    </tr>
  );
}

export function Keys(_: { params: Record<string, string | undefined> }) {
  const { data, error, load } = useLive<{ keys: Key[] }>('/keys', 10_000);
  const [search, setSearch] = useSearchParams();
  const made = useSignal<KeyWithSecret | null>(null);
  const showGone = useSignal(false);
  const writes = may('keys.write');
  const creating = writes && search.has('new');
  const open = () => setSearch({ new: '' });
  const close = () => setSearch({}, { replace: true });
  useShortcuts(writes ? [{ keys: 'n', does: 'Create a key', run: open }] : []);
  const all = data.value?.keys;
  const gone = all?.filter((k) => k.state !== 'active').length ?? 0;
  const shown = all?.filter((k) => showGone.value || k.state === 'active');
  return (
    <>
      <div class="head">
        <Heading title="Keys" />
        {writes && (
          <button type="button" class="button main" onClick={open}>
            Create a key
          </button>
        )}
        {gone > 0 && (
          <label class="check push">
            <input type="checkbox" checked={showGone.value} onChange={(e) => (showGone.value = e.currentTarget.checked)} />
            Show revoked and expired ({gone})
          </label>
        )}
      </div>
      {!all && (error.value ? <Failure error={error.value} retry={() => void load()} /> : <Loading rows={6} />)}
      {all && all.length === 0 && (
        <Empty title="No keys yet.">
          <p>A key says who calls, which models it may use and how much it may spend.</p>
          {writes && (
            <button type="button" class="button main" onClick={open}>
              Create the first key
            </button>
          )}
        </Empty>
      )}
      {shown && shown.length > 0 && (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">State</th>
                <th scope="col" class="wide">
                  Models
                </th>
                <th scope="col" class="num mid">
                  Calls today
                </th>
                <th scope="col" class="num">
                  Spend today
                </th>
                <th scope="col" class="mid">
                  Budget
                </th>
                <th scope="col" class="num wide">
                  Last used
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((k) => (
                <Row key={k.id} k={k} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {all && all.length > 0 && shown?.length === 0 && <Empty title="No active keys." />}
      {creating && (
        <KeyForm
          title="Create a key"
          act="Create"
          close={close}
          save={async (body) => {
            const reply = await request<KeyWithSecret>('POST', '/keys', body);
            close();
            made.value = reply;
            void live<unknown>('/keys').load();
          }}
        />
      )}
      {made.value && <SecretOnce made={made.value} close={() => (made.value = null)} />}
    </>
  );
}
