// Charts as SVG text without a browser, as PNG, and the page that holds them: one self-contained file.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as Plot from '@observablehq/plot';
import { Resvg } from '@resvg/resvg-js';
import { parseHTML } from 'linkedom';

export interface Chart {
  readonly name: string;
  readonly caption: string;
  readonly svg: string;
}

export function drawSvg(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const svg = Plot.plot({ ...options, document, figure: false } as Plot.PlotOptions).outerHTML;
  return svg.includes('xmlns=') ? svg : svg.replace('<svg', '<svg xmlns="http://www.w3.org/2000/svg"');
}

export const escapeHtml = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

export function figure({ name, caption, svg }: Chart): string {
  return `<figure data-chart="${name}">${svg}<figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}

export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (tag: 'th' | 'td', cells: readonly string[]): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  return `<table><thead>${line('th', heads)}</thead><tbody>${rows.map((row) => line('td', row)).join('')}</tbody></table>`;
}

export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>
<style>
body { font: 15px/1.5 sans-serif; max-width: 1060px; margin: 2em auto; padding: 0 1em; color: #222 }
figure { display: inline-block; margin: 0.5em; vertical-align: top }
figcaption { text-align: center; font-size: 13px }
table { border-collapse: collapse; font-size: 14px } th, td { padding: 3px 9px; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left }
</style></head><body>
${body}
</body></html>
`;
}

export function writePngs(folder: string, charts: readonly Chart[]): void {
  // A font of its own: a bare machine has none, and the text would be missing without a word.
  const fontFile = join(dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')), 'ttf/DejaVuSans.ttf');
  const font = { loadSystemFonts: false, fontFiles: [fontFile], sansSerifFamily: 'DejaVu Sans', defaultFontFamily: 'DejaVu Sans' };
  for (const { name, svg } of charts) {
    const png = new Resvg(svg, { background: 'white', fitTo: { mode: 'zoom', value: 2 }, font }).render().asPng();
    writeFileSync(join(folder, `${name}.png`), png);
  }
}
