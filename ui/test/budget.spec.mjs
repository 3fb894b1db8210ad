// The budgets of the home page, and what is embedded in the program.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { openBrowser, openPage, openServer, settled, signIn } from './browser.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const homeBytesMax = 60 * 1024;
const firstPaintMaxMs = 300;

// The median first paint of five visits with an empty cache.
async function firstPaint(browser, server, signed) {
  const paints = [];
  for (let run = 0; run < 5; run++) {
    const { page, context } = await openPage(browser, { server, signed });
    await page.goto('/');
    await settled(page);
    paints.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime));
    await context.close();
  }
  paints.sort((a, b) => a - b);
  console.log(`# first contentful paint: ${paints[2].toFixed(0)} ms median, ${paints[4].toFixed(0)} ms worst of 5`);
  return paints[2];
}

test('the home page loads at most 60 KB of scripts and styles, and paints within 300 ms', async (t) => {
  const server = await openServer({});
  const signed = await signIn(server);
  const browser = await openBrowser();
  try {
    const { page, context } = await openPage(browser, { server, signed });
    const wire = [];
    page.on('response', (reply) => {
      if (/\.(js|css)$/.test(new URL(reply.url()).pathname)) wire.push(reply.request().sizes());
    });
    await page.goto('/');
    await settled(page);
    // With calls on record the charts' code comes last; without, it never comes.
    if ((await page.locator('.plot').count()) > 0) await page.waitForSelector('.plot canvas');
    const sizes = await Promise.all(wire);
    const bytes = sizes.reduce((sum, s) => sum + s.responseBodySize, 0);
    console.log(`# home page: ${sizes.length} files, ${(bytes / 1024).toFixed(1)} KB`);
    assert.ok(bytes > 10_000 && bytes <= homeBytesMax, `${bytes} bytes of scripts and styles`);
    await context.close();
    // A machine that is busy with other work is slow for its own reasons: the best of three rounds counts.
    let best = Infinity;
    for (let round = 0; round < 3 && best > firstPaintMaxMs; round++) {
      best = Math.min(best, await firstPaint(browser, server, signed));
    }
    // Where others want the processors several times over, the time says nothing of the page.
    if (best > firstPaintMaxMs && loadavg()[0] > 3 * cpus().length) {
      t.skip(`first paint after ${best} ms on a machine with a load of ${loadavg()[0]}`);
      return;
    }
    assert.ok(best <= firstPaintMaxMs, `first paint after ${best} ms`);
  } finally {
    await browser.close();
    await server.close();
  }
});

test('no script or style stands in the page itself', () => {
  const html = readFileSync(join(root, 'dist/index.html'), 'utf8');
  assert.doesNotMatch(html, /<style|style=|<script(?![^>]*\ssrc=)|\son[a-z]+=/);
  for (const [, path] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
    assert.ok(readFileSync(join(root, 'dist', path)).length > 0, path);
  }
});

test('the lock names no registry', () => {
  assert.doesNotMatch(readFileSync(join(root, 'package-lock.json'), 'utf8'), /"resolved"/);
});

// Writes every asset's bytes to a file named by its place in the table.
const dumper = `
#include <cstdio>
#include <string>
#include "api/ui/assets.h"
int main(int, char** argv) {
  int i = 0;
  for (const auto& a : gatehouse::api::assets()) {
    const std::string name = std::string(argv[1]) + "/" + std::to_string(i++);
    FILE* file = std::fopen(name.c_str(), "wb");
    std::fwrite(a.gzip_bytes.data(), 1, a.gzip_bytes.size(), file);
    std::fclose(file);
    std::printf("%s %s %d\\n", std::string(a.path).c_str(), std::string(a.etag).c_str(), a.immutable);
  }
}
`;

const compiler = spawnSync('g++', ['--version']).status === 0 ? {} : { skip: 'no g++ here' };

test('the table in C++ holds the very bytes', compiler, () => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-ui-'));
  try {
    const at = (name) => join(folder, name);
    execFileSync('node', [join(root, 'build.mjs'), '--out', at('dist'), '--cc', at('assets.cc')]);
    writeFileSync(at('main.cc'), dumper);
    const flags = ['-std=c++20', '-Wall', '-Wextra', '-Wpedantic', '-Wconversion', '-Wshadow', '-Werror'];
    execFileSync('g++', [...flags, '-I', join(root, '../src'), at('assets.cc'), at('main.cc'), '-o', at('dump')]);
    const rows = execFileSync(at('dump'), [folder], { encoding: 'utf8' }).trim().split('\n');
    const built = readdirSync(at('dist/assets')).filter((name) => name.endsWith('.gz')).length + 2;
    assert.equal(rows.length, built);
    rows.forEach((row, i) => {
      const [path, etag, immutable] = row.split(' ');
      const bytes = gunzipSync(readFileSync(at(String(i))));
      assert.deepEqual(bytes, readFileSync(join(folder, 'dist', path)), path);
      assert.match(etag, /^"[0-9a-f]{20}"$/);
      assert.equal(immutable, path.startsWith('/assets/') ? '1' : '0');
    });
    assert.deepEqual(rows.map((r) => r.split(' ')[0]), rows.map((r) => r.split(' ')[0]).sort());
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
