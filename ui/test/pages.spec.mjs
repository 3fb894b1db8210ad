// Every page in every state, theme and width: accessible, without script errors or
// refused styles, without sideways scrolling, and without moving while it loads.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  accessible,
  noSidewaysScroll,
  openBrowser,
  openPage,
  openServer,
  realUrl,
  settled,
  signIn,
  still,
  user,
} from './browser.mjs';

const widths = [
  [1280, 860],
  [380, 760],
];
// What differs between themes and widths shows in the state with the most on a page; of
// the others, and of the program, each theme and each width is looked at once.
const widthsOf = (state, theme) => (state === 'full' ? widths : [widths[theme === 'light' ? 0 : 1]]);
const places = ['/', '/calls', '/keys', '/upstreams', '/graph', '/graph?g0.expr=node_load1&g0.tab=graph&g1.expr=up&g1.tab=table', '/targets', '/store', '/alerts', '/alerts/history', '/silences', '/rules', '/receivers', '/audit', '/account', '/nowhere', '/keys?new'];
const states = realUrl ? ['given'] : ['full', 'empty', 'failing', 'down'];

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser.close());

async function look(page, server, path, where) {
  // The program answers 404 to unknown addresses; the page for them is reached from within.
  if (path === '/nowhere') {
    await page.goto('/');
    await page.waitForSelector('nav');
    await page.evaluate(() => {
      history.pushState(null, '', '/nowhere');
    });
  } else {
    await page.goto(path);
  }
  await settled(page);
  await accessible(page, where);
  await noSidewaysScroll(page, where);
  await still(page, where);
}

async function details(signed, server) {
  const headers = { cookie: `${signed.cookie.name}=${signed.cookie.value}` };
  const ask = async (path) => {
    const reply = await fetch(`${server.url}/api/v1${path}`, { headers });
    return reply.ok ? reply.json() : {};
  };
  const found = [];
  const { calls = [] } = await ask('/calls?limit=1');
  const { calls: failed = [] } = await ask('/calls?limit=1&status=error');
  const { keys = [] } = await ask('/keys');
  for (const call of [...calls, ...failed]) found.push(`/calls/${call.request_id}`);
  for (const key of keys.slice(0, 2)) found.push(`/keys/${key.id}`);
  return found;
}

describe('pages', { concurrency: 2 }, () => {
  for (const state of states) {
    for (const theme of ['light', 'dark']) {
      for (const [width, height] of widthsOf(state, theme)) {
        test(`pages, ${state}, ${theme}, ${width} wide`, async () => {
          const server = await openServer({ state });
          const signed = await signIn(server);
          const { page, context, faults } = await openPage(browser, { server, signed, width, height, theme });
          try {
            for (const path of [...places, ...(await details(signed, server))]) {
              await look(page, server, path, `${path} (${state}, ${theme}, ${width})`);
            }
            assert.deepEqual(faults, []);
          } finally {
            await context.close();
            await server.close();
          }
        });
      }
    }
  }

  for (const theme of ['light', 'dark']) {
    test(`sign-in page, ${theme}`, async () => {
      const server = await openServer({});
      const { page, context, faults } = await openPage(browser, { server, width: 380, height: 760, theme });
      try {
        await look(page, server, '/login', `/login (${theme})`);
        await page.fill('input[name=user]', user);
        await page.fill('input[name=password]', 'not the password');
        await page.keyboard.press('Enter');
        await page.waitForSelector('[role=alert] .callout');
        await accessible(page, `/login refused (${theme})`);
        assert.deepEqual(faults, []);
      } finally {
        await context.close();
        await server.close();
      }
    });
  }
});
