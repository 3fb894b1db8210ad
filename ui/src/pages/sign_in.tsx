// Sign-in: by a user and a password, or at once by the one-time link that the
// first start prints. The token leaves the address bar before it is used.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { useLocation } from 'wouter-preact';
import { asApiError, forget, request, session, type ApiError } from '../api';
import type { Session } from '../contract';
import { ThemeButton } from '../frame';
import { Field, Heading, Mark } from '../parts/basics';

export function SignIn() {
  const [path, go] = useLocation();
  const error = useSignal<ApiError | null>(null);
  const busy = useSignal(false);

  const open = async (body: { token: string } | { user: string; password: string }) => {
    busy.value = true;
    error.value = null;
    try {
      const who = await request<Session>('POST', '/session', body);
      forget();
      if (path === '/login') go('/', { replace: true });
      session.value = who;
    } catch (thrown) {
      error.value = asApiError(thrown);
    }
    busy.value = false;
  };

  useEffect(() => {
    const token = new URLSearchParams(location.search).get('token');
    if (!token) return;
    history.replaceState(null, '', '/login');
    void open({ token });
  }, []);

  return (
    <main class="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          void open({ user: String(form.get('user')), password: String(form.get('password')) });
        }}
      >
        <div class="sign-in-head">
          <Mark />
          <ThemeButton />
        </div>
        <Heading title="Sign in">Gatehouse</Heading>
        <p>Sign in to see what passes.</p>
        <Field label="User">
          {(props) => (
            <input {...props} name="user" autocomplete="username" required autocapitalize="none" spellcheck={false} />
          )}
        </Field>
        <Field label="Password">
          {(props) => (
            <input {...props} name="password" type="password" autocomplete="current-password" required />
          )}
        </Field>
        <button type="submit" class="button main" disabled={busy.value}>
          {busy.value ? 'Signing in…' : 'Sign in'}
        </button>
        <div class="sign-in-told">
          <div role="alert">
            {error.value && (
              <p class="callout bad">
                {error.value.message} {error.value.next}
              </p>
            )}
          </div>
          {!error.value && (
            <p class="quiet">
              No password yet? Open the one-time link that Gatehouse prints when it starts for the first time.
            </p>
          )}
        </div>
      </form>
    </main>
  );
}
