// The live list of calls, and what the pages do when the server is lost.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { accessible, onlyMock, openBrowser, openPage, openServer, password, settled, signIn, still, user } from './browser.mjs';

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser.close());

async function open(t, options, path) {
  const server = await openServer(options);
  t.after(() => server.close());
  const signed = await signIn(server);
  const view = await openPage(browser, { server, signed });
  t.after(() => view.context.close());
  if (path) {
    await view.page.goto(path);
    await settled(view.page);
  }
  return { ...view, server };
}

const firstRow = (page) => page.getAttribute('.rows-space .row[aria-rowindex="2"]', 'data-row');

// Mostly they wait: so together, each with a page of its own.
describe('live', { concurrency: 4 }, () => {
  test('calls appear as they end; scrolled or paused, they wait', async (t) => {
    const { page, faults } = await open(t, {}, '/calls');
    const was = await firstRow(page);
    await page.waitForFunction((w) => document.querySelector('.row[aria-rowindex="2"][data-row]')?.dataset.row !== w, was);
    await page.keyboard.press('p');
    await page.waitForSelector('.live-word:has-text("Paused")');
    const paused = await firstRow(page);
    await page.waitForSelector('.newer');
    assert.equal(await firstRow(page), paused);
    await page.click('.newer');
    assert.notEqual(await firstRow(page), paused);
    await page.keyboard.press('p');
    await page.waitForSelector('.live-word:has-text("Live")');
    await page.evaluate(() => document.querySelector('.rows-scroll').scrollTo(0, 2000));
    await page.waitForSelector('.newer');
    await accessible(page, 'calls that wait');
    assert.deepEqual(faults, []);
  });

  test('only the rows in sight exist, and older ones are fetched', async (t) => {
    const { page, faults } = await open(t, {}, '/calls');
    await page.waitForFunction(() => {
      document.querySelector('.rows-scroll').scrollTo(0, 1e9);
      return document.querySelector('.calls-foot').textContent.includes('all that is kept');
    });
    const rows = await page.locator('.rows-space .row').count();
    assert.ok(rows > 5 && rows < 80, `${rows} rows in the document`);
    const total = Number(await page.getAttribute('[role=table]', 'aria-rowcount'));
    assert.ok(total > 2500, `${total} rows known`);
    assert.deepEqual(faults, []);
  });

  test('a cut stream comes back with what was missed', onlyMock, async (t) => {
    const { page, server, faults } = await open(t, {}, '/calls');
    await page.waitForSelector('.live-word:has-text("Live")');
    server.cutStreams();
    await page.waitForSelector('.live-word:has-text("Waiting")');
    await page.waitForSelector('.live-word:has-text("Live")', { timeout: 10_000 });
    const was = await firstRow(page);
    await page.waitForFunction((w) => document.querySelector('.row[aria-rowindex="2"][data-row]')?.dataset.row !== w, was);
    assert.deepEqual(faults, []);
  });

  test('a lost server is said, old figures stay, and it is found again', async (t) => {
    const { page, faults } = await open(t, {}, '/');
    await page.route('**/api/v1/**', (route) => route.abort());
    await page.waitForTimeout(300); // for what was asked before
    const value = await page.textContent('.figure-value');
    await page.waitForSelector('.lost', { timeout: 8000 });
    assert.equal(await page.textContent('.figure-value'), value);
    await accessible(page, 'a lost server');
    await page.unroute('**/api/v1/**');
    await page.waitForSelector('.lost', { state: 'detached', timeout: 8000 });
    assert.deepEqual(faults, []);
  });

  test('a refused configuration stands in a banner', onlyMock, async (t) => {
    const { page, faults } = await open(t, { state: 'failing' }, '/');
    assert.match(await page.textContent('.banner'), /gatehouse\.yaml:14:5/);
    assert.match(await page.textContent('h1'), /of calls are failing/);
    assert.deepEqual(faults, []);
  });

  test('a server that starts is asked again until it answers', onlyMock, async (t) => {
    const { page, server, faults } = await open(t, { state: 'down' }, '/');
    await page.waitForSelector('.failure');
    server.setBroken(false);
    await page.waitForSelector('.figure-value', { timeout: 8000 });
    assert.deepEqual(faults, []);
  });

  test('an ended session leads to the sign-in page and back', async (t) => {
    const { page, context, faults } = await open(t, {}, '/keys');
    await context.clearCookies();
    await page.click('.table .row-link >> nth=0');
    await page.waitForSelector('input[name=user]');
    const path = new URL(page.url()).pathname;
    await page.fill('input[name=user]', user);
    await page.fill('input[name=password]', password);
    await page.click('button[type=submit]');
    await page.waitForSelector('.stats');
    assert.equal(new URL(page.url()).pathname, path);
    assert.deepEqual(faults, []);
  });

  test('while data is slow the frame stands and says so', onlyMock, async (t) => {
    const { page, faults } = await open(t, { state: 'slow' });
    for (const path of ['/', '/calls', '/keys', '/upstreams', '/audit']) {
      await page.goto(path);
      await page.waitForSelector('h1');
      await page.waitForSelector('.loading, .rows-ghost');
      await accessible(page, `${path} while it loads`);
      await settled(page);
      await still(page, `${path} when it is slow`);
    }
    assert.deepEqual(faults, []);
  });
});
