// What a person does, by keyboard alone.
import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, test } from 'node:test';
import {
  accessible,
  changer,
  needsUser,
  onlyMock,
  openBrowser,
  openPage,
  openServer,
  password,
  settled,
  signIn,
  token,
  user,
  viewer,
} from './browser.mjs';

let browser;
let server;
let signed;
let view;
before(async () => {
  browser = await openBrowser();
  server = await openServer({});
  signed = await signIn(server);
});
after(async () => {
  await browser.close();
  await server.close();
});
beforeEach(async () => {
  view = await openPage(browser, { server, signed });
});
afterEach(async () => {
  await view.context.close();
  assert.deepEqual(view.faults, []);
});

const focused = (page, selector) => page.waitForFunction((s) => document.activeElement?.matches(s), selector);

async function tabTo(page, selector) {
  for (let i = 0; i < 60; i++) {
    if (await page.evaluate((s) => document.activeElement?.matches(s), selector)) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`${selector} cannot be reached by Tab`);
}

test('sign in, create a key, open a call', async () => {
  await view.context.clearCookies();
  const { page } = view;
  await page.goto('/');
  await page.waitForSelector('input[name=user]');
  await tabTo(page, 'input[name=user]');
  await page.keyboard.type(user);
  await page.keyboard.press('Tab');
  await page.keyboard.type(password);
  await page.keyboard.press('Enter');
  await page.waitForSelector('nav');

  await page.keyboard.press('g');
  await page.keyboard.press('k');
  await page.waitForURL('**/keys');
  await focused(page, '#page-title');
  await page.waitForSelector('button:has-text("Create a key")');
  await page.keyboard.press('n');
  await focused(page, 'input[name=name]');
  const name = `journey-${process.pid}-${Math.floor(Math.random() * 1e6)}`;
  await page.keyboard.type(name);
  await tabTo(page, 'input[name=allow_from]');
  await page.keyboard.type('127.0.0.1, 10.0.0.0/8');
  await tabTo(page, 'input[name=daily_nanousd]');
  await page.keyboard.type('-3');
  await page.keyboard.press('Enter');
  await page.waitForSelector('small.bad');
  await focused(page, 'input[name=daily_nanousd]');
  await page.keyboard.press('Control+a');
  await page.keyboard.type('2.50');
  await page.keyboard.press('Enter');
  const secret = await page.textContent('[data-secret]');
  assert.match(secret, /^gh_[A-Za-z0-9]+_/);
  await accessible(page, 'the secret');
  // The secret is shown once: Escape must not take it away.
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('[data-secret]').count(), 1);
  await tabTo(page, 'dialog button.main');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-secret]', { state: 'detached' });
  assert.equal(await page.locator(`tr:has-text("${name}")`).count(), 1);
  assert.ok(!(await page.content()).includes(secret), 'the secret is gone from the page');

  await page.keyboard.press('g');
  await page.keyboard.press('c');
  await page.waitForURL('**/calls');
  await page.waitForSelector('[data-row-link]');
  await page.keyboard.press('j');
  await focused(page, '[data-row-link]');
  const first = await page.evaluate(() => document.activeElement.getAttribute('href'));
  await page.keyboard.press('ArrowDown');
  await page.waitForFunction((was) => document.activeElement.getAttribute('href') !== was, first);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/calls/*');
  await focused(page, '#page-title');
  await page.waitForSelector('.stats');
});

test('change, rotate and revoke a key', async () => {
  const { page } = view;
  const name = `changed-${process.pid}-${Math.floor(Math.random() * 1e6)}`;
  const reply = await fetch(`${server.url}/api/v1/keys`, {
    method: 'POST',
    headers: {
      cookie: `${signed.cookie.name}=${signed.cookie.value}`,
      'x-gatehouse-csrf': signed.csrf,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ name, limits: { concurrent: 3 } }),
  });
  const { key } = await reply.json();
  await page.goto(`/keys/${key.id}`);
  await page.click('button:has-text("Change")');
  assert.equal(await page.inputValue('input[name=concurrent]'), '3');
  await page.fill('input[name=requests_per_minute]', '90');
  await page.fill('input[name=monthly_nanousd]', '12.5');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('dialog', { state: 'detached' });
  await page.waitForSelector('dd:has-text("90")');
  await page.waitForSelector('small:has-text("of $12.50")');

  await page.click('button:has-text("Rotate")');
  await page.check('input[name=overlap][value="3600000"]');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('[data-secret]');
  await page.click('button:has-text("I have stored it")');
  await page.waitForSelector('dt:has-text("Old secret ends")');

  await page.click('button:has-text("Revoke")');
  await page.waitForSelector('dialog');
  await accessible(page, 'the revoke dialog');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  await page.click('button:has-text("Revoke")');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('.state:has-text("revoked")');
  assert.equal(await page.locator('button:has-text("Rotate")').count(), 0);
});

test('filters are the address', async () => {
  const { page } = view;
  await page.goto('/calls');
  await settled(page);
  await page.keyboard.press('/');
  await focused(page, 'select[name=status]');
  await page.selectOption('select[name=status]', 'error');
  await page.waitForURL('**/calls?status=error');
  await page.waitForFunction(() => {
    const rows = [...document.querySelectorAll('.rows-space .c-state')];
    return rows.length > 0 && rows.every((r) => r.textContent.startsWith('failed'));
  });
  await page.reload();
  await page.waitForSelector('select[name=status]');
  assert.equal(await page.inputValue('select[name=status]'), 'error');
  await page.click('button:has-text("Clear")');
  await page.waitForURL('**/calls');
});

test('help, skip link, theme, shortcuts off', async () => {
  const { page } = view;
  await page.goto('/');
  await settled(page);
  await page.keyboard.press('Tab');
  await focused(page, '.skip');
  assert.ok((await page.locator('.skip').boundingBox()).y >= 0, 'the skip link is in sight when it has the focus');
  await page.keyboard.press('Enter');
  await focused(page, '#content');
  await page.keyboard.press('?');
  await page.waitForSelector('dialog .keyboard');
  await accessible(page, 'the help');
  await page.uncheck('dialog input[type=checkbox]');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  await page.keyboard.press('?');
  assert.equal(await page.locator('dialog').count(), 0, 'shortcuts are off');
  await page.click('button[aria-label="Keyboard help"]');
  await page.check('dialog input[type=checkbox]');
  await page.keyboard.press('Escape');
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.keyboard.press('t');
  const light = await ground();
  await page.keyboard.press('t');
  const dark = await ground();
  assert.notEqual(light, dark);
  await page.reload();
  await settled(page);
  assert.equal(await ground(), dark, 'the theme is kept');
});

test('every stop of Tab shows where it is', async () => {
  const { page } = view;
  for (const path of ['/', '/calls', '/keys', '/upstreams', '/account']) {
    await page.goto(path);
    await settled(page);
    for (let i = 0; i < 25; i++) {
      await page.keyboard.press('Tab');
      const bare = await page.evaluate(() => {
        const at = document.activeElement;
        if (!at || at === document.body) return null;
        const marks = [at, at.nextElementSibling].flatMap((e) =>
          e ? [getComputedStyle(e), getComputedStyle(e, '::after')] : [],
        );
        return marks.some((s) => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2) ? null : at.outerHTML.slice(0, 120);
      });
      assert.equal(bare, null, `focus is invisible on ${path}`);
    }
  }
});

test('the one-time link signs in once and leaves no trace', needsUser(token), async () => {
  const { page } = view;
  await view.context.clearCookies();
  await page.goto(`/login?token=${token}`);
  await page.waitForSelector('nav');
  assert.equal(new URL(page.url()).pathname + new URL(page.url()).search, '/');
  await page.click('button[aria-label="Sign out"]');
  await page.waitForSelector('input[name=user]');
  await page.goto(`/login?token=${token}`);
  await page.waitForSelector('[role=alert] .callout');
  assert.ok(!page.url().includes('token'));
});

test('set a password', needsUser(changer), async (t) => {
  const own = await openServer({});
  t.after(() => own.close());
  const { page, context } = await openPage(browser, { server: own, signed: await signIn(own, changer) });
  t.after(() => context.close());
  await page.goto('/account');
  await page.fill('input[name=current]', 'wrong');
  await page.fill('input[name=new]', 'a much longer one');
  await page.click('button:has-text("Save")');
  await page.waitForSelector('.told:has-text("wrong")');
  await page.fill('input[name=current]', password);
  await page.click('button:has-text("Save")');
  await page.waitForSelector('.told:has-text("is set")');
});

test('a viewer sees no way to change keys and no audit', needsUser(viewer), async (t) => {
  const own = await openServer({ role: 'viewer' });
  t.after(() => own.close());
  const { page, context } = await openPage(browser, { server: own, signed: await signIn(own, viewer) });
  t.after(() => context.close());
  await page.goto('/keys');
  await settled(page);
  assert.equal(await page.locator('button:has-text("Create")').count(), 0);
  assert.equal(await page.locator('nav a:has-text("Audit")').count(), 0);
  await page.click('.table .row-link >> nth=0');
  await page.waitForSelector('.stats');
  assert.equal(await page.locator('button:has-text("Revoke")').count(), 0);
});

test('silence an alert in two clicks, and end the silence', { ...onlyMock }, async () => {
  const { page } = view;
  await page.goto('/');
  await page.waitForSelector('nav');
  await page.keyboard.press('g');
  await page.keyboard.press('l');
  await page.waitForURL('**/alerts');
  await focused(page, '#page-title');
  const alert = page.locator('li.alert', { hasText: 'UpstreamUnhealthy' });
  await alert.locator('button:has-text("Silence")').click();
  await page.waitForSelector('.silence-hides:has-text("Hides 1 alert")');
  await accessible(page, 'the silence dialog');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('dialog', { state: 'detached' });
  await alert.waitFor({ state: 'detached' });
  await page.click('nav.tabs a:has-text("Silences")');
  const row = page.locator('tr', { hasText: 'UpstreamUnhealthy' });
  await row.locator('button:has-text("End now")').click();
  await row.waitFor({ state: 'detached' });
});

test('a silence that hides most alerts asks again', { ...onlyMock }, async () => {
  const { page } = view;
  await page.goto('/silences');
  await page.waitForSelector('button:has-text("Make a silence")');
  await page.keyboard.press('n');
  await page.fill('dialog textarea', 'severity=~".+"');
  await page.waitForSelector('dialog .callout');
  assert.equal(await page.isDisabled('dialog button[type=submit]'), true);
  await page.check('dialog label:has-text("hide that many") input');
  assert.equal(await page.isDisabled('dialog button[type=submit]'), false);
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
});

test('an alert opens to its graph and its past; a route is found', { ...onlyMock }, async () => {
  const { page } = view;
  await page.goto('/alerts');
  await tabTo(page, 'button.alert-name');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.alert-detail canvas');
  await page.waitForSelector('.alert-detail .history');
  await accessible(page, 'an alert in full');
  await page.goto('/receivers');
  await page.click('button:has-text("Find the route")');
  await page.waitForSelector('.route .chosen:has-text("on-call")');
  await page.click('button:has-text("Send a test") >> nth=0');
  await page.waitForSelector('text=delivered in 91 ms');
});
