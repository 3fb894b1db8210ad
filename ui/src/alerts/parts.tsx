// What the pages about alerts share: their tabs, labels as tags, the silence dialog.
import { useEffect, useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import { asApiError, session, type ApiError } from '../api';
import { plural } from '../format';
import type { Labels } from '../metrics/api';
import { Dialog, Failure, Field } from '../parts/basics';
import { preview, saveSilence, type Matcher, type Preview } from './api';
import { matcherText, nameOfAlert, parseMatchers } from './words';

const tabs = [
  { path: '/alerts', name: 'Now' },
  { path: '/alerts/history', name: 'History' },
  { path: '/silences', name: 'Silences' },
  { path: '/rules', name: 'Rules' },
  { path: '/receivers', name: 'Receivers' },
];

export function AlertTabs({ at }: { at: string }) {
  return (
    <nav class="tabs" aria-label="Alerts">
      {tabs.map((tab) => (
        <Link key={tab.path} href={tab.path} aria-current={tab.path === at ? 'page' : undefined}>
          {tab.name}
        </Link>
      ))}
    </nav>
  );
}

export function LabelTags({ labels, without = [] }: { labels: Labels; without?: string[] }) {
  return (
    <span class="label-tags">
      {Object.entries(labels)
        .filter(([name]) => !without.includes(name))
        .map(([name, value]) => (
          <code key={name} class="tag">
            {name}="{value}"
          </code>
        ))}
    </span>
  );
}

const lengths: [string, number][] = [
  ['1 h', 3_600_000],
  ['4 h', 14_400_000],
  ['1 day', 86_400_000],
  ['1 week', 604_800_000],
];

const days = ['Su', 'Mo', 'Tu', 'We', 'Th', 'Fr', 'Sa'];

// How long typing rests before the preview is asked for.
const restMs = 300;

function usePreview(matchers: Matcher[] | string) {
  const [shown, setShown] = useState<Preview | null>(null);
  const key = typeof matchers === 'string' ? '' : JSON.stringify(matchers);
  useEffect(() => {
    if (!key) {
      setShown(null);
      return undefined;
    }
    let gone = false;
    const timer = setTimeout(() => {
      preview(JSON.parse(key) as Matcher[])
        .then((found) => !gone && setShown(found))
        .catch(() => !gone && setShown(null));
    }, restMs);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [key]);
  return shown;
}

interface SilenceFormProps {
  matchers: Matcher[];
  close: () => void;
  done: () => void;
}

// What a silence would hide is shown before it is made; two clicks make one.
export function SilenceForm({ matchers, close, done }: SilenceFormProps) {
  const [text, setText] = useState(matchers.map(matcherText).join('\n'));
  const [length, setLength] = useState(14_400_000);
  const [comment, setComment] = useState('');
  const [weekdays, setWeekdays] = useState<number[] | null>(null);
  const [confirmed, setConfirmed] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const parsed = parseMatchers(text);
  const hides = usePreview(parsed);
  const save = async () => {
    if (typeof parsed === 'string') return;
    setBusy(true);
    setError(null);
    const now = Date.now();
    try {
      await saveSilence(
        {
          matchers: parsed,
          startsAt: new Date(now).toISOString(),
          endsAt: new Date(now + length).toISOString(),
          createdBy: session.value?.user ?? '',
          comment: comment.trim() || 'Silenced in the console',
          ...(weekdays && { recurrence: { weekdays, until: null, location: Intl.DateTimeFormat().resolvedOptions().timeZone } }),
        },
        confirmed,
      );
      done();
      close();
    } catch (thrown) {
      setError(asApiError(thrown));
      setBusy(false);
    }
  };
  const unsure = Boolean(hides?.needsConfirmation && !confirmed);
  return (
    <Dialog title="Silence" close={close}>
      <form
        class="silence-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy && !unsure) void save();
        }}
      >
        <div class="field">
          <span id="silence-length">For</span>
          <div class="choice" role="group" aria-labelledby="silence-length">
            {lengths.map(([name, ms]) => (
              <button key={ms} type="button" aria-pressed={length === ms} onClick={() => setLength(ms)}>
                {name}
              </button>
            ))}
          </div>
        </div>
        <Field label="Alerts with all of" hint='One a line: name="value", name!="value", name=~"pattern".' error={typeof parsed === 'string' && text.trim() ? parsed : undefined}>
          {(props) => (
            <textarea {...props} class="matchers" rows={Math.min(8, text.split('\n').length + 1)} value={text} onInput={(event) => setText(event.currentTarget.value)} />
          )}
        </Field>
        <Field label="Why" hint="Others read it beside the silence.">
          {(props) => <input {...props} value={comment} onInput={(event) => setComment(event.currentTarget.value)} />}
        </Field>
        <label class="check">
          <input type="checkbox" checked={weekdays !== null} onChange={(event) => setWeekdays(event.currentTarget.checked ? [] : null)} />
          Again at this time
        </label>
        {weekdays && (
          <div class="choice" role="group" aria-label="Weekdays; none chosen: every day">
            {days.map((name, i) => (
              <button
                key={name}
                type="button"
                aria-pressed={weekdays.includes(i)}
                onClick={() => setWeekdays(weekdays.includes(i) ? weekdays.filter((each) => each !== i) : [...weekdays, i].sort())}
              >
                {name}
              </button>
            ))}
          </div>
        )}
        <p class={`silence-hides ${hides?.needsConfirmation ? 'callout' : 'quiet'}`} role="status">
          {typeof parsed === 'string'
            ? ''
            : !hides
              ? 'Looking what it would hide…'
              : hides.hidden === 0
                ? 'Hides nothing that fires now.'
                : `Hides ${plural(hides.hidden, 'alert')} of the ${hides.live} that fire now: ${[...new Set(hides.alerts.map((each) => nameOfAlert(each.labels)))].slice(0, 4).join(', ')}.`}
        </p>
        {hides?.needsConfirmation && (
          <label class="check">
            <input type="checkbox" checked={confirmed} onChange={(event) => setConfirmed(event.currentTarget.checked)} />
            Yes, hide that many
          </label>
        )}
        {error && <Failure error={error} />}
        <div class="actions">
          <button type="submit" class="button main" disabled={busy || unsure || typeof parsed === 'string'}>
            Silence
          </button>
          <button type="button" class="button" onClick={close}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
