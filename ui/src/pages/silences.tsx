// What is silenced: by whom, why, until when; making and ending silences.
import { useState } from 'preact/hooks';
import { asApiError, may, type ApiError } from '../api';
import { expireSilence, silences as askSilences, useFresh, type Matcher, type Silence } from '../alerts/api';
import { AlertTabs, SilenceForm } from '../alerts/parts';
import { matcherText } from '../alerts/words';
import { ago, moment, until } from '../format';
import { Empty, Failure, Heading, Loading, State } from '../parts/basics';
import { useShortcuts } from '../shortcuts';

const words = { active: 'active', pending: 'unknown', expired: 'gone' };
const order = { active: 0, pending: 1, expired: 2 };
const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

function when(silence: Silence): string {
  const [begin, end] = [Date.parse(silence.startsAt), Date.parse(silence.endsAt)];
  if (silence.status.state === 'pending') return `begins ${until(begin)}`;
  return silence.status.state === 'active' ? `ends ${until(end)}` : `ended ${ago(end)}`;
}

function Row({ silence, expire, copy }: { silence: Silence; expire: () => void; copy: () => void }) {
  const { state } = silence.status;
  return (
    <tr class={state === 'expired' ? 'gone' : ''}>
      <td>
        <State word={words[state]}>{state}</State>
      </td>
      <td>
        <span class="label-tags">
          {silence.matchers.map((each) => (
            <code key={matcherText(each)} class="tag">
              {matcherText(each)}
            </code>
          ))}
        </span>
        <p class="reason">{silence.comment}</p>
      </td>
      <td class="mid">{silence.createdBy}</td>
      <td title={`${moment(Date.parse(silence.startsAt))} to ${moment(Date.parse(silence.endsAt))}`}>
        {when(silence)}
        {silence.recurrence && (
          <small class="quiet">
            {' '}
            again on {silence.recurrence.weekdays.length ? silence.recurrence.weekdays.map((each) => days[each]).join(', ') : 'every day'}
          </small>
        )}
      </td>
      <td class="num">
        {may('silences.write') && (
          <button type="button" class="button small" onClick={state === 'expired' ? copy : expire}>
            {state === 'expired' ? 'Again' : 'End now'}
            <span class="unseen"> the silence of {silence.matchers.map(matcherText).join(', ')}</span>
          </button>
        )}
      </td>
    </tr>
  );
}

export function Silences(_: { params: Record<string, string | undefined> }) {
  const { data, error, load } = useFresh(askSilences, 'silences', 10_000);
  const [making, setMaking] = useState<Matcher[] | null>(null);
  const [failed, setFailed] = useState<ApiError | null>(null);
  const [showExpired, setShowExpired] = useState(false);
  const writes = may('silences.write');
  useShortcuts(writes ? [{ keys: 'n', does: 'Make a silence', run: () => setMaking([]) }] : []);
  const expire = async (id: string) => {
    try {
      await expireSilence(id);
      setFailed(null);
    } catch (thrown) {
      setFailed(asApiError(thrown));
    }
    load();
  };
  const expired = data?.filter((each) => each.status.state === 'expired').length ?? 0;
  const shown = data
    ?.filter((each) => showExpired || each.status.state !== 'expired')
    .sort((a, b) => order[a.status.state] - order[b.status.state] || Date.parse(a.endsAt) - Date.parse(b.endsAt));
  return (
    <>
      <div class="head">
        <Heading title="Silences" />
        <AlertTabs at="/silences" />
        {writes && (
          <button type="button" class="button main" onClick={() => setMaking([])}>
            Make a silence
          </button>
        )}
        {expired > 0 && (
          <label class="check push">
            <input type="checkbox" checked={showExpired} onChange={(event) => setShowExpired(event.currentTarget.checked)} />
            Show expired ({expired})
          </label>
        )}
      </div>
      {error && <Failure error={error} retry={load} />}
      {failed && <Failure error={failed} />}
      {!data && !error && <Loading rows={5} />}
      {shown?.length === 0 && (
        <Empty title="Nothing is silenced.">
          <p>A silence keeps alerts from being told for a time. What it would hide is shown before it is made.</p>
        </Empty>
      )}
      {shown && shown.length > 0 && (
        <div class="table-box" tabIndex={0} role="region" aria-label="Silences">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">State</th>
                <th scope="col">Alerts with</th>
                <th scope="col" class="mid">
                  By
                </th>
                <th scope="col">When</th>
                <th scope="col">
                  <span class="unseen">Change</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((each) => (
                <Row key={each.id} silence={each} expire={() => void expire(each.id)} copy={() => setMaking(each.matchers)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {making && <SilenceForm matchers={making} close={() => setMaking(null)} done={load} />}
    </>
  );
}
