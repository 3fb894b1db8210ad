// The theme follows the system until one is chosen; the choice is kept in this browser.
import { signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';

const stored = localStorage.getItem('gatehouse.theme');
export const theme = signal<Theme>(stored === 'light' || stored === 'dark' ? stored : 'system');
const systemDark = matchMedia('(prefers-color-scheme: dark)');

// Counts changes of the colours on screen: what draws on a canvas redraws on it.
export const paint = signal(0);
systemDark.addEventListener('change', () => paint.value++);

export function nextTheme(): void {
  const order: Theme[] = ['system', 'light', 'dark'];
  theme.value = order[(order.indexOf(theme.value) + 1) % order.length] as Theme;
  if (theme.value === 'system') {
    localStorage.removeItem('gatehouse.theme');
    delete document.documentElement.dataset['theme'];
  } else {
    localStorage.setItem('gatehouse.theme', theme.value);
    document.documentElement.dataset['theme'] = theme.value;
  }
  paint.value++;
}
