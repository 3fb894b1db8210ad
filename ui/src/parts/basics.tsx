// The small pieces that every page is made of.
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ApiError } from '../api';
import type { Breaker, Health, Outcome } from '../contract';

export function Icon({ path, filled = false }: { path: string; filled?: boolean }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path
        d={path}
        fill={filled ? 'currentColor' : 'none'}
        stroke={filled ? 'none' : 'currentColor'}
        stroke-width="1.6"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path class="mark-arch" d="M4 21V11a8 8 0 0 1 16 0v10" />
      <path class="mark-bars" d="M8.6 21V10.4M12 21V9M15.4 21V10.4M5 15h14" />
    </svg>
  );
}

// A page was changed, and its heading is not there yet.
let headingAwaited = false;

export function focusHeading(): void {
  const heading = document.getElementById('page-title');
  headingAwaited = !heading;
  heading?.focus({ preventScroll: true });
}

// The page's name in the title bar and its one first heading, which takes the
// focus when the page changes so that a screen reader reads it. A heading that
// gives way to another while it has the focus, as when data arrives, hands it on.
export function Heading({ title, children }: { title: string; children?: ComponentChildren }) {
  const element = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Gatehouse`;
  }, [title]);
  useLayoutEffect(() => {
    const heading = element.current;
    if (headingAwaited) heading?.focus({ preventScroll: true });
    headingAwaited = false;
    return () => {
      if (document.activeElement === heading) headingAwaited = true;
    };
  }, []);
  return (
    <h1 id="page-title" tabIndex={-1} ref={element}>
      {children ?? title}
    </h1>
  );
}

const tones: Record<string, string> = {
  ok: 'ok',
  healthy: 'ok',
  active: 'ok',
  done: 'ok',
  degraded: 'warn',
  half_open: 'warn',
  retryable: 'warn',
  expired: 'warn',
  incomplete: 'bad',
  error: 'bad',
  fatal: 'bad',
  unhealthy: 'bad',
  open: 'bad',
  refused: 'warn',
};

export const toneOf = (word: string) => tones[word] ?? 'muted';

// A state is told by a shape and a word, never by colour alone.
export function State({ word, children }: { word: string; children?: ComponentChildren }) {
  const tone = toneOf(word);
  return (
    <span class={`state ${tone}`}>
      <svg viewBox="0 0 10 10" aria-hidden="true" focusable="false">
        {tone === 'ok' ? (
          <circle cx="5" cy="5" r="3.6" />
        ) : tone === 'warn' ? (
          <path d="M5 .9 9.4 9H.6z" />
        ) : tone === 'bad' ? (
          <path d="M5 .2 9.8 5 5 9.8.2 5z" />
        ) : (
          <path d="M1 5h8" stroke="currentColor" stroke-width="2" />
        )}
      </svg>
      {children ?? word.replace('_', ' ')}
    </span>
  );
}

export function passage(health: Health, breaker: Breaker): { word: string; text: string } {
  if (breaker === 'open') return { word: 'open', text: 'held back' };
  if (breaker === 'half_open') return { word: 'half_open', text: 'probing' };
  return { word: health, text: health === 'unknown' ? 'not checked' : health };
}

export const outcomeWord: Record<Outcome, string> = {
  ok: 'ok',
  error: 'failed',
  incomplete: 'cut off',
  refused: 'refused',
  cancelled: 'left',
};

export function Copy({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without a secure origin there is no clipboard API; the old way still works.
      const area = document.createElement('textarea');
      area.value = text;
      (document.querySelector('dialog[open]') ?? document.body).append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <button type="button" class="button small" onClick={copy}>
      <span class="swap" data-on={copied}>
        <span>Copy</span>
        <span aria-hidden={!copied}>Copied</span>
      </span>
      <span class="unseen"> {label}</span>
    </button>
  );
}

export function Failure({ error, retry }: { error: ApiError; retry?: () => void }) {
  return (
    <div class="failure" role="alert">
      <State word="error">{error.message}</State>
      <p>{error.next}</p>
      {retry && (
        <button type="button" class="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Loading({ rows = 5 }: { rows?: number }) {
  return (
    <div class="loading" role="status">
      <span class="unseen">Loading</span>
      {Array.from({ length: rows }, (_, i) => (
        <i key={i} />
      ))}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

interface DialogProps {
  title: string;
  close: () => void;
  children: ComponentChildren;
  // A secret that is shown once must not vanish by a stray Escape.
  stay?: boolean;
}

export function Dialog({ title, close, children, stay = false }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault();
        if (!stay) close();
      }}
    >
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}

interface FieldProps {
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
  children: (props: {
    id: string;
    'aria-describedby': string | undefined;
    'aria-invalid': boolean;
  }) => ComponentChildren;
}

let fields = 0;

export function Field({ label, hint, error, children }: FieldProps) {
  const [id] = useState(() => `field-${++fields}`);
  const told = error ?? hint;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({
        id,
        'aria-describedby': told ? `${id}-told` : undefined,
        'aria-invalid': Boolean(error),
      })}
      {told && (
        <small id={`${id}-told`} class={error ? 'bad' : ''}>
          {told}
        </small>
      )}
    </div>
  );
}

// A share of a whole, as a bar with its words beside it.
export function Bar({ ratio, label, mark }: { ratio: number; label: string; mark?: number }) {
  const shown = Math.min(1, Math.max(0, ratio));
  const tone = ratio >= 1 ? 'bad' : ratio >= 0.8 ? 'warn' : 'ok';
  return (
    <svg class={`bar ${tone}`} viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={label}>
      <rect class="bar-ground" width="100" height="6" />
      <rect class="bar-fill" width={shown * 100} height="6" />
      {mark !== undefined && <rect class="bar-mark" x={mark * 100 - 0.3} width="0.6" height="6" />}
    </svg>
  );
}
