// Builds the console: bundles src/ and style/ into content-hashed files, checks
// the home page's size, compresses every file, and writes the table that the
// C++ program embeds.
//
//   node build.mjs [--out DIR] [--cc FILE]
//
// DIR (default dist/) receives index.html, favicon.svg and assets/*, each beside
// its .gz. FILE receives one C++ source that defines gatehouse::api::assets().
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, extname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = dirname(fileURLToPath(import.meta.url));
// All JavaScript and CSS that the home page loads: the budget of the design.
const homeBudgetBytes = 60 * 1024;

const contentTypes = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

function option(name, fallback) {
  const at = process.argv.indexOf(name);
  return at < 0 ? fallback : process.argv[at + 1];
}

const out = resolve(option('--out', join(root, 'dist')));
const cc = option('--cc', '');

// CodeMirror's styles go into a <style> element, which the content-security policy
// refuses, unless it believes to be in a shadow root; the other way it has, a constructed
// sheet, serves documents as well in every browser that is named below.
const constructedSheets = {
  name: 'constructed-sheets',
  setup(plugins) {
    plugins.onLoad({ filter: /style-mod[\\/]src[\\/]style-mod\.js$/ }, ({ path }) => {
      const given = readFileSync(path, 'utf8');
      const contents = given.replace('!root.head && root.adoptedStyleSheets', 'root.adoptedStyleSheets');
      if (contents === given) throw new Error('style-mod has changed: see constructed-sheets in build.mjs');
      return { contents, loader: 'js' };
    });
  },
};

async function bundle() {
  const shared = {
    absWorkingDir: root,
    bundle: true,
    minify: true,
    metafile: true,
    target: ['es2022', 'chrome123', 'firefox120', 'safari17.5'],
    legalComments: 'none',
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    outdir: join(out, 'assets'),
    logLevel: 'warning',
  };
  const app = await build({
    ...shared,
    entryPoints: ['src/app.tsx'],
    format: 'esm',
    splitting: true,
    jsx: 'automatic',
    jsxImportSource: 'preact',
    plugins: [constructedSheets],
  });
  // A classic script: it runs before the first paint, so that a chosen theme never flashes.
  const theme = await build({ ...shared, entryPoints: ['src/theme_boot.ts'], format: 'iife' });
  const style = await build({ ...shared, entryPoints: ['style/console.css'] });
  return { app: app.metafile, theme: theme.metafile, style: style.metafile };
}

function entryOf(metafile, source) {
  for (const [file, made] of Object.entries(metafile.outputs)) {
    if (made.entryPoint === source) return file;
  }
  throw new Error(`no output for ${source}`);
}

// The files a page needs: its entry, what that imports at once, and the lazy
// chunks whose entry is named.
function closure(metafile, entries) {
  const seen = new Set();
  const visit = (file) => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const used of metafile.outputs[file].imports) {
      if (used.kind === 'import-statement') visit(used.path);
    }
  };
  entries.forEach(visit);
  return [...seen];
}

function files(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? files(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}

// A C++ string literal. Octal escapes are always three digits, so that a digit
// which follows is never read as part of one.
function literal(bytes) {
  const lines = [];
  let line = '';
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c && byte !== 0x3f;
    line += plain ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`;
    if (line.length > 4000) {
      lines.push(`"${line}"`);
      line = '';
    }
  }
  lines.push(`"${line}"`);
  return lines.join('\n');
}

function ccSource(assets) {
  const arrays = assets.map(
    ({ gzip }, i) => `constexpr char kBytes${i}[] =\n${literal(gzip)};\n`,
  );
  const rows = assets.map(
    ({ path, type, etag, gzip, immutable }, i) =>
      `    {"${path}", "${type}", "\\"${etag}\\"", {kBytes${i}, ${gzip.length}}, ${immutable}},\n`,
  );
  return (
    '// Written by ui/build.mjs; do not edit.\n#include "api/ui/assets.h"\n\n' +
    'namespace gatehouse::api {\nnamespace {\n\n' +
    `${arrays.join('\n')}\nconstexpr Asset kAssets[] = {\n${rows.join('')}};\n\n` +
    '}  // namespace\n\nstd::span<const Asset> assets() { return kAssets; }\n\n' +
    '}  // namespace gatehouse::api\n'
  );
}

rmSync(out, { recursive: true, force: true });
mkdirSync(join(out, 'assets'), { recursive: true });
const made = await bundle();
const app = entryOf(made.app, 'src/app.tsx');
const theme = entryOf(made.theme, 'src/theme_boot.ts');
const style = entryOf(made.style, 'style/console.css');
const url = (file) => '/' + relative(out, resolve(root, file));

writeFileSync(
  join(out, 'index.html'),
  readFileSync(join(root, 'index.html'), 'utf8')
    .replace('{{style}}', url(style))
    .replace('{{theme}}', url(theme))
    .replace('{{app}}', url(app))
    .replace(
      '{{preload}}',
      closure(made.app, [app])
        .filter((file) => file !== app)
        .map((file) => `<link rel="modulepreload" href="${url(file)}">`)
        .join('\n    '),
    ),
);
writeFileSync(join(out, 'favicon.svg'), readFileSync(join(root, 'favicon.svg')));

const assets = files(out)
  .sort()
  .map((file) => {
    const bytes = readFileSync(file);
    const gzip = gzipSync(bytes, { level: 9 });
    writeFileSync(`${file}.gz`, gzip);
    const path = '/' + relative(out, file);
    return {
      path,
      type: contentTypes[extname(file)],
      etag: createHash('sha256').update(bytes).digest('hex').slice(0, 20),
      gzip,
      immutable: path.startsWith('/assets/'),
    };
  });

if (cc) {
  mkdirSync(dirname(resolve(cc)), { recursive: true });
  writeFileSync(cc, ccSource(assets));
}

const home = [
  ...closure(made.app, [app, entryOf(made.app, 'src/parts/chart.ts')]),
  theme,
  style,
].map(url);
const homeBytes = assets
  .filter(({ path }) => home.includes(path))
  .reduce((sum, { gzip }) => sum + gzip.length, 0);
const allBytes = assets.reduce((sum, { gzip }) => sum + gzip.length, 0);
writeFileSync(join(out, 'sizes.json'), JSON.stringify({ homeBytes, homeBudgetBytes, allBytes, home }));
console.log(
  `ui: home page ${(homeBytes / 1024).toFixed(1)} KB gzip of ${homeBudgetBytes / 1024}; ` +
    `all ${(allBytes / 1024).toFixed(1)} KB in ${assets.length} files`,
);
if (homeBytes > homeBudgetBytes) {
  console.error('ui: the home page is over its size budget');
  process.exit(1);
}
