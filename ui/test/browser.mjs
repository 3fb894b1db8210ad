// What every browser test needs: a server to look at, a browser, a signed-in
// page, and the faults that no page may have.
//
// Without GATEHOUSE_URL the tests start the stand-in of ui/mock. With it they run
// against that program, as test/ui/program starts it; tests that need a state which
// only the stand-in can be put into are skipped.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { startMock } from '../mock/server.mjs';

export const realUrl = process.env.GATEHOUSE_URL?.replace(/\/$/, '');
export const onlyMock = realUrl ? { skip: 'needs the stand-in server' } : {};
export const needsUser = (name) => (realUrl && !name ? { skip: 'needs another user of the program' } : {});
const axePath = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const axe = readFileSync(axePath, 'utf8');

export const openBrowser = () =>
  chromium.launch({
    executablePath: process.env.GATEHOUSE_CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });

export async function openServer(options) {
  if (!realUrl) return startMock(options);
  return { url: realUrl, close: () => {} };
}

export const user = process.env.GATEHOUSE_USER ?? 'admin';
export const password = process.env.GATEHOUSE_PASSWORD ?? 'correct horse battery';
export const viewer = process.env.GATEHOUSE_VIEWER;
export const changer = process.env.GATEHOUSE_CHANGER;
// A one-time token of the user's.
export const token = realUrl ? process.env.GATEHOUSE_LINK?.split('token=')[1] : 'first-token';

export async function signIn(server, who = user) {
  const attempt = () =>
    fetch(`${server.url}/api/v1/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user: who, password }),
    });
  let reply = await attempt();
  // The program checks two passwords at a time and turns others away for a moment.
  for (let again = 0; reply.status === 429 && again < 10; again++) {
    await new Promise((done) => setTimeout(done, 200));
    reply = await attempt();
  }
  assert.equal(reply.status, 200, `signing in as ${who}`);
  const [name, value] = reply.headers.get('set-cookie').split(';')[0].split('=');
  const session = await reply.json();
  return { cookie: { name, value, url: server.url }, csrf: session.csrf };
}

// A page that gathers its faults: script errors, refused styles or scripts, shifts.
export async function openPage(browser, { server, signed, width = 1280, height = 860, theme = 'light' }) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, baseURL: server.url });
  if (signed) await context.addCookies([signed.cookie]);
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => {
    // A refused request is a fact the page shows; anything else is a fault of the page.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) faults.push(message.text());
  });
  await page.addInitScript(() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        if (!entry.hadRecentInput) {
          const what = entry.sources.map((s) => `${s.node?.nodeName}.${s.node?.className}`).join(' ');
          window.shifts.push({ value: entry.value, what });
        }
      }
    }).observe({ type: 'layout-shift', buffered: true });
    document.addEventListener('securitypolicyviolation', (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`));
  });
  return { page, context, faults };
}

export async function settled(page) {
  await page.waitForSelector('h1');
  await page.waitForFunction(() => !document.querySelector('.loading, .rows-ghost'), null, { timeout: 12_000 });
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

export async function accessible(page, where) {
  await page.evaluate(axe);
  const violations = await page.evaluate(async () => {
    const found = await window.axe.run(document, {
      resultTypes: ['violations'],
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    });
    return found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target} ${n.failureSummary}`).slice(0, 3).join(' | ')}`);
  });
  assert.deepEqual(violations, [], `axe on ${where}`);
}

export async function noSidewaysScroll(page, where) {
  const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(inner <= outer, `${where} is ${inner} wide in a window of ${outer}`);
}

// Good is under 0.1; these pages stay still.
const shiftMax = 0.01;

export async function still(page, where) {
  const shifts = await page.evaluate(() => window.shifts);
  const sum = shifts.reduce((total, { value }) => total + value, 0);
  assert.ok(sum <= shiftMax, `${where} moved by ${sum.toFixed(4)}: ${JSON.stringify(shifts)}`);
}
