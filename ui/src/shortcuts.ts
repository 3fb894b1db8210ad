// Single-key shortcuts: two-key ways to the pages ("g" then a letter) and keys
// that a page adds while it is shown. They can be switched off, as people who
// speak their input need; `?` then stays reachable as a button.
import { signal } from '@preact/signals';
import { useLayoutEffect } from 'preact/hooks';

export interface Shortcut {
  keys: string;
  does: string;
  run: () => void;
}

// How long "g" waits for its second key.
const chordMs = 1200;

export const enabled = signal(localStorage.getItem('gatehouse.shortcuts') !== 'off');
const groups = signal<Shortcut[][]>([]);
let chord = '';
let chordAt = 0;

export const shortcuts = () => groups.value.flat();

export function setEnabled(on: boolean): void {
  enabled.value = on;
  if (on) localStorage.removeItem('gatehouse.shortcuts');
  else localStorage.setItem('gatehouse.shortcuts', 'off');
}

export function useShortcuts(list: Shortcut[]): void {
  useLayoutEffect(() => {
    groups.value = [...groups.value, list];
    return () => {
      groups.value = groups.value.filter((other) => other !== list);
    };
  }, list.map((s) => s.keys + s.does));
}

const typing = (target: EventTarget | null) =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

document.addEventListener('keydown', (event) => {
  if (!enabled.value || event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target) || document.querySelector('dialog[open]')) return;
  const now = Date.now();
  const pressed = now - chordAt < chordMs && chord ? `${chord} ${event.key}` : event.key;
  chord = '';
  const all = shortcuts();
  const hit = all.find((s) => s.keys === pressed);
  if (hit) {
    event.preventDefault();
    hit.run();
  } else if (all.some((s) => s.keys.startsWith(`${event.key} `))) {
    chord = event.key;
    chordAt = now;
  }
});
