// One's own account: who one is, and the password.
import { useSignal } from '@preact/signals';
import { asApiError, refreshSession, request, session, type ApiError } from '../api';
import { until } from '../format';
import { Field, Heading } from '../parts/basics';

export function Account(_: { params: Record<string, string | undefined> }) {
  const who = session.value;
  const error = useSignal<ApiError | null>(null);
  const done = useSignal(false);
  const busy = useSignal(false);
  if (!who) return null;
  const save = async (element: HTMLFormElement) => {
    const form = new FormData(element);
    busy.value = true;
    done.value = false;
    error.value = null;
    try {
      await request('POST', '/session/password', {
        current: who.has_password ? String(form.get('current')) : null,
        new: String(form.get('new')),
      });
      element.reset();
      done.value = true;
      await refreshSession(false);
    } catch (thrown) {
      error.value = asApiError(thrown);
    }
    busy.value = false;
  };
  return (
    <div class="account">
      <div class="head">
        <Heading title="Account" />
        <span class="quiet">
          {who.user}, {who.role}; this sign-in ends {until(who.expires_at_ms)}
        </span>
      </div>
      <section>
        <h2>{who.has_password ? 'Change the password' : 'Set a password'}</h2>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void save(event.currentTarget);
          }}
        >
          <input class="unseen" name="user" autocomplete="username" value={who.user} readOnly tabIndex={-1} aria-hidden="true" />
          {who.has_password && (
            <Field label="Present password">
              {(props) => <input {...props} name="current" type="password" autocomplete="current-password" required />}
            </Field>
          )}
          <Field label="New password" hint="At least 12 characters. Your other sign-ins end.">
            {(props) => (
              <input {...props} name="new" type="password" autocomplete="new-password" required minLength={12} maxLength={256} />
            )}
          </Field>
          <div class="told" role="alert">
            {error.value && (
              <>
                <strong>{error.value.message}</strong> {error.value.next}
              </>
            )}
            {done.value && 'The password is set.'}
          </div>
          <button type="submit" class="button main" disabled={busy.value}>
            Save the password
          </button>
        </form>
      </section>
    </div>
  );
}
