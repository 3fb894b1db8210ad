// What stands around every page: the way past the menu, the menu, the banner of
// a refused configuration, the line that says the server is lost, and the help.
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { forget, lostSince, may, refreshSession, request, session } from './api';
import type { Permission, Session } from './contract';
import { clock, moment } from './format';
import { Dialog, focusHeading, Icon, Mark, State } from './parts/basics';
import { enabled, setEnabled, shortcuts, useShortcuts } from './shortcuts';
import { nextTheme, theme } from './theme';

const places: { path: string; name: string; key: string; needs: Permission }[] = [
  { path: '/', name: 'Overview', key: 'h', needs: 'overview.read' },
  { path: '/calls', name: 'Calls', key: 'c', needs: 'calls.read' },
  { path: '/keys', name: 'Keys', key: 'k', needs: 'keys.read' },
  { path: '/upstreams', name: 'Upstreams', key: 'u', needs: 'upstreams.read' },
  { path: '/alerts', name: 'Alerts', key: 'l', needs: 'alerts.read' },
  { path: '/graph', name: 'Metrics', key: 'm', needs: 'metrics.read' },
  { path: '/audit', name: 'Audit', key: 'a', needs: 'audit.read' },
];

// Pages that stand behind another's tabs.
const behind: Record<string, string[]> = {
  '/alerts': ['/alerts', '/alerts/history', '/silences', '/rules', '/receivers'],
  '/graph': ['/graph', '/query', '/targets', '/store'],
};

const themeIcons = {
  system: 'M8 1.5a6.5 6.5 0 1 0 0 13zM8 1.5a6.5 6.5 0 0 1 0 13',
  light: 'M8 4.8a3.2 3.2 0 1 0 0 6.4 3.2 3.2 0 0 0 0-6.4M8 .8v1.4M8 13.8v1.4M.8 8h1.4M13.8 8h1.4M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1',
  dark: 'M13.6 9.6A6 6 0 0 1 6.4 2.4a6 6 0 1 0 7.2 7.2z',
};

// What index.html holds already, so that the first paint waits for no script.
export function Shell() {
  return (
    <>
      <header class="top">
        <div class="top-in">
          <span class="brand">
            <Mark />
            Gatehouse
          </span>
        </div>
      </header>
      <main class="page">
        <div role="status" class="shell-note">
          {lostSince.value ? 'Gatehouse does not answer. Trying again…' : <span class="unseen">Loading</span>}
        </div>
      </main>
    </>
  );
}

export function ThemeButton() {
  return (
    <button
      type="button"
      class="button bare"
      onClick={nextTheme}
      aria-label={`Theme: ${theme.value}. Change`}
      title={`Theme: ${theme.value}`}
    >
      <Icon path={themeIcons[theme.value]} />
    </button>
  );
}

function Help({ close }: { close: () => void }) {
  return (
    <Dialog title="Keyboard" close={close}>
      <table class="keyboard">
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col">Does</th>
          </tr>
        </thead>
        <tbody>
          {shortcuts().map((s) => (
            <tr key={s.keys}>
              <td>
                {s.keys.split(' ').map((k) => (
                  <kbd key={k}>{k}</kbd>
                ))}
              </td>
              <td>{s.does}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <label class="check">
        <input
          type="checkbox"
          checked={enabled.value}
          onChange={(event) => setEnabled(event.currentTarget.checked)}
        />
        Single-key shortcuts
      </label>
      <div class="actions">
        <button type="button" class="button" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

function ConfigBanner({ who }: { who: Session }) {
  if (who.config.ok) return null;
  return (
    <div class="banner" role="alert">
      <div class="banner-in">
        <strong>The new configuration was refused; the one before stays in force.</strong>
        <code>{who.config.message}</code>
        <span>Since {moment(who.config.since_at_ms)}. Correct the file; it is read again when it is saved.</span>
      </div>
    </div>
  );
}

async function signOut() {
  try {
    await request('DELETE', '/session');
  } catch {
    await refreshSession(false);
    return;
  }
  forget();
  session.value = null;
}

// A page change reads to a screen reader as one: the new page's heading takes the focus.
function useFocusOnNavigation(path: string) {
  const last = useRef(path);
  useEffect(() => {
    if (last.current === path) return;
    last.current = path;
    scrollTo(0, 0);
    focusHeading();
  }, [path]);
}

export function Frame({ path, who, children }: { path: string; who: Session; children: ComponentChildren }) {
  const [, go] = useLocation();
  const helping = useSignal(false);
  const shown = places.filter((place) => may(place.needs));
  useFocusOnNavigation(path);
  useShortcuts([
    ...shown.map((place) => ({
      keys: `g ${place.key}`,
      does: `Go to ${place.name.toLowerCase()}`,
      run: () => go(place.path),
    })),
    { keys: 't', does: 'Change the theme', run: nextTheme },
    { keys: '?', does: 'Show this help', run: () => (helping.value = true) },
  ]);
  const at = (place: string) =>
    place === '/' ? path === '/' : (behind[place]?.includes(path) ?? path.startsWith(place));
  return (
    <>
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <header class="top">
        <div class="top-in">
          <Link class="brand" href="/">
            <Mark />
            <span class="brand-name">Gatehouse</span>
          </Link>
          <nav aria-label="Main">
            {shown.map((place) => (
              <Link key={place.path} href={place.path} aria-current={at(place.path) ? 'page' : undefined}>
                {place.name}
              </Link>
            ))}
          </nav>
          <div class="top-tools">
            <ThemeButton />
            <button
              type="button"
              class="button bare"
              aria-label="Keyboard help"
              title="Keyboard help (?)"
              onClick={() => (helping.value = true)}
            >
              <Icon path="M6 5.8a2.1 2.1 0 1 1 3 2c-.7.4-1 .8-1 1.6M8 12v.1" />
            </button>
            <Link class="button bare who" href="/account" aria-label={`Account: ${who.user}, ${who.role}`}>
              <Icon path="M8 8.2a2.9 2.9 0 1 0 0-5.8 2.9 2.9 0 0 0 0 5.8M2.6 14a5.5 5.5 0 0 1 10.8 0" />
              <span class="who-name">{who.user}</span>
            </Link>
            <button type="button" class="button bare" onClick={signOut} aria-label="Sign out" title="Sign out">
              <Icon path="M6.5 2.5h-4v11h4M6.5 8h7.5M11 5l3 3-3 3" />
            </button>
          </div>
        </div>
      </header>
      <ConfigBanner who={who} />
      <main class="page" id="content" tabIndex={-1}>
        {children}
      </main>
      <footer class="foot">Gatehouse {who.version}</footer>
      {lostSince.value !== null && (
        <div class="lost" role="alert">
          <State word="error">
            No answer from Gatehouse since {clock(lostSince.value)}. What you see is from before; trying again.
          </State>
        </div>
      )}
      {helping.value && <Help close={() => (helping.value = false)} />}
    </>
  );
}
