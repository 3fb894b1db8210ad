// The dialogs about keys: create or change one, show a secret once, rotate,
// revoke.
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { asApiError, live, request, session, useLive, type ApiError } from '../api';
import type { CallFilters, Key, KeyWithSecret, Limits } from '../contract';
import { dollarText, duration, nanousdOf } from '../format';
import { Copy, Dialog, Field, Icon } from '../parts/basics';
import { firstCall } from './checklist';

const dayMs = 86_400_000;
const expiries: [string, string][] = [
  ['', 'Never'],
  ['7', 'In 7 days'],
  ['30', 'In 30 days'],
  ['90', 'In 90 days'],
  ['365', 'In a year'],
];
const allRoles = ['caller', 'viewer', 'operator', 'deployer', 'retrainer', 'approver', 'secret-admin', 'auditor', 'admin'];

function Told({ error }: { error: ApiError | null }) {
  return (
    <div class="told" role="alert">
      {error && (
        <>
          <strong>{error.message}</strong> {error.next}
        </>
      )}
    </div>
  );
}

interface Actions {
  close: () => void;
  busy: boolean;
  act: string;
  tone?: string;
}

function ActionRow({ close, busy, act, tone = 'main' }: Actions) {
  return (
    <div class="actions">
      <button type="button" class="button" onClick={close}>
        Cancel
      </button>
      <button type="submit" class={`button ${tone}`} disabled={busy}>
        {act}
      </button>
    </div>
  );
}

// The whole numbers and amounts of a form's limits, or the name of the first bad field.
function limitsOf(form: FormData): Limits | string {
  const limits: Record<string, number | string | null> = {};
  for (const name of ['requests_per_minute', 'tokens_per_minute', 'concurrent']) {
    const text = String(form.get(name) ?? '').trim();
    if (text && !/^[1-9]\d{0,11}$/.test(text)) return name;
    limits[name] = text ? Number(text) : null;
  }
  for (const name of ['daily_nanousd', 'monthly_nanousd']) {
    const text = String(form.get(name) ?? '').trim();
    limits[name] = text ? nanousdOf(text) : null;
    if (text && limits[name] === null) return name;
  }
  return limits as unknown as Limits;
}

const limitFields: { name: keyof Limits; label: string }[] = [
  { name: 'requests_per_minute', label: 'Requests a minute' },
  { name: 'tokens_per_minute', label: 'Tokens a minute' },
  { name: 'concurrent', label: 'Calls at once' },
  { name: 'daily_nanousd', label: 'US dollars a day' },
  { name: 'monthly_nanousd', label: 'US dollars a month' },
];

const limitText = (limits: Limits | undefined, name: keyof Limits): string => {
  const value = limits?.[name] ?? null;
  if (value === null) return '';
  return typeof value === 'string' ? dollarText(value) : String(value);
};

interface FormProps {
  title: string;
  act: string;
  known?: Key;
  close: () => void;
  save: (body: Record<string, unknown>) => Promise<void>;
}

export function KeyForm({ title, act, known, close, save }: FormProps) {
  const busy = useSignal(false);
  const error = useSignal<ApiError | null>(null);
  const wrong = useSignal('');
  const { data } = useLive<CallFilters>('/calls/filters');
  const roles = session.value?.role === 'admin' ? allRoles : ['caller', 'viewer'];

  const submit = async (element: HTMLFormElement) => {
    const form = new FormData(element);
    const limits = limitsOf(form);
    wrong.value = typeof limits === 'string' ? limits : '';
    if (typeof limits === 'string') {
      element.querySelector<HTMLElement>(`[name=${limits}]`)?.focus();
      return;
    }
    const words = (name: string) => String(form.get(name) ?? '').split(/[\s,]+/).filter(Boolean);
    const models = words('models');
    const body: Record<string, unknown> = {
      name: String(form.get('name')).trim(),
      models: models.length ? models : ['*'],
      allow_from: words('allow_from'),
      limits,
    };
    if (!known) body['role'] = String(form.get('role'));
    const expiry = String(form.get('expiry'));
    if (expiry !== 'same') body['expires_at_ms'] = expiry ? Date.now() + Number(expiry) * dayMs : null;
    busy.value = true;
    try {
      await save(body);
    } catch (thrown) {
      error.value = asApiError(thrown);
    }
    busy.value = false;
  };

  return (
    <Dialog title={title} close={close}>
      <form
        noValidate={false}
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        <Field label="Name" hint="Who or what calls with it.">
          {(props) => (
            <input {...props} name="name" required maxLength={64} defaultValue={known?.name ?? ''} autocomplete="off" />
          )}
        </Field>
        <div class="fields">
          {!known && (
            <Field label="Role">
              {(props) => (
                <select {...props} name="role" defaultValue="caller">
                  {roles.map((r) => (
                    <option key={r}>{r}</option>
                  ))}
                </select>
              )}
            </Field>
          )}
          <Field label="Expires">
            {(props) => (
              <select {...props} name="expiry">
                {known && <option value="same">As it is</option>}
                {expiries.map(([value, text]) => (
                  <option key={value} value={value}>
                    {text}
                  </option>
                ))}
              </select>
            )}
          </Field>
        </div>
        <Field label="Models" hint="Names with commas between; * at the end fits any rest. Empty: all models.">
          {(props) => (
            <input
              {...props}
              name="models"
              list="known-models"
              defaultValue={known && known.models.join() !== '*' ? known.models.join(', ') : ''}
              autocomplete="off"
              spellcheck={false}
            />
          )}
        </Field>
        <datalist id="known-models">
          {data.value?.models.map((m) => (
            <option key={m} value={m} />
          ))}
        </datalist>
        <Field label="From" hint="Addresses or blocks such as 10.0.0.0/8. Empty: from anywhere.">
          {(props) => (
            <input {...props} name="allow_from" defaultValue={known?.allow_from.join(', ') ?? ''} autocomplete="off" spellcheck={false} />
          )}
        </Field>
        <fieldset class="limits">
          <legend>Limits</legend>
          <p class="quiet">Empty: no limit.</p>
          <div class="fields">
            {limitFields.map(({ name, label }) => (
              <Field
                key={name}
                label={label}
                error={wrong.value === name ? 'A number above 0, or empty.' : undefined}
              >
                {(props) => (
                  <input {...props} name={name} inputMode="decimal" defaultValue={limitText(known?.limits, name)} autocomplete="off" />
                )}
              </Field>
            ))}
          </div>
        </fieldset>
        <Told error={error.value} />
        <ActionRow close={close} busy={busy.value} act={act} />
      </form>
    </Dialog>
  );
}

export function SecretOnce({ made, close, children }: { made: KeyWithSecret; close: () => void; children?: ComponentChildren }) {
  const who = session.value;
  const example = who ? firstCall(who, made.secret) : '';
  return (
    <Dialog title={`The secret of ${made.key.name}`} close={close} stay>
      <p class="callout">
        <Icon path="M8 1.5 15 14H1zM8 6v4M8 12v.1" /> This is shown once. Gatehouse keeps only its hash.
      </p>
      <div class="secret">
        <code data-secret>{made.secret}</code>
        <Copy text={made.secret} label="the secret" />
      </div>
      {children}
      {made.key.role === 'caller' && (
        <details>
          <summary>A first call with it</summary>
          <div class="snippet">
            <pre tabIndex={0} role="region" aria-label="Command for the first call">
              {example}
            </pre>
            <Copy text={example} label="the command" />
          </div>
        </details>
      )}
      <div class="actions">
        <button type="button" class="button main" onClick={close}>
          I have stored it
        </button>
      </div>
    </Dialog>
  );
}

export const refreshKeys = (id: string) =>
  Promise.all([live<unknown>('/keys').load(), live<unknown>(`/keys/${encodeURIComponent(id)}`).load()]);

const overlaps: [number, string][] = [
  [0, 'Stop at once'],
  [3_600_000, 'Work one more hour'],
  [86_400_000, 'Work one more day'],
  [604_800_000, 'Work one more week'],
];

interface KeyDialogProps {
  known: Key;
  close: () => void;
}

export function Rotate({ known, close, done }: KeyDialogProps & { done: (made: KeyWithSecret) => void }) {
  const error = useSignal<ApiError | null>(null);
  const busy = useSignal(false);
  const rotate = async (overlapMs: number) => {
    busy.value = true;
    try {
      const made = await request<KeyWithSecret>('POST', `/keys/${encodeURIComponent(known.id)}/rotate`, {
        overlap_ms: overlapMs,
      });
      void refreshKeys(known.id);
      done(made);
    } catch (thrown) {
      error.value = asApiError(thrown);
    }
    busy.value = false;
  };
  return (
    <Dialog title={`Rotate ${known.name}`} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void rotate(Number(new FormData(event.currentTarget).get('overlap')));
        }}
      >
        <p>A new secret is made. The old one should</p>
        <fieldset class="choices">
          <legend class="unseen">The old secret should</legend>
          {overlaps.map(([ms, text]) => (
            <label key={ms} class="check">
              <input type="radio" name="overlap" value={ms} defaultChecked={ms === 86_400_000} />
              {text}
            </label>
          ))}
        </fieldset>
        <Told error={error.value} />
        <ActionRow close={close} busy={busy.value} act="Make a new secret" />
      </form>
    </Dialog>
  );
}

export function Revoke({ known, close }: KeyDialogProps) {
  const error = useSignal<ApiError | null>(null);
  const busy = useSignal(false);
  const revoke = async () => {
    busy.value = true;
    try {
      await request('DELETE', `/keys/${encodeURIComponent(known.id)}`);
      await refreshKeys(known.id);
      close();
    } catch (thrown) {
      error.value = asApiError(thrown);
    }
    busy.value = false;
  };
  return (
    <Dialog title={`Revoke ${known.name}?`} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void revoke();
        }}
      >
        <p>
          Every call with this key is refused from now on. This cannot be undone; its calls and its spend stay on
          record.
          {known.last_used_at_ms !== null &&
            ` It was last used ${duration(Math.max(1000, Date.now() - known.last_used_at_ms))} ago.`}
        </p>
        <Told error={error.value} />
        <ActionRow close={close} busy={busy.value} act="Revoke the key" tone="danger" />
      </form>
    </Dialog>
  );
}
