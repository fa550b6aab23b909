// The report as a person opens it: in a browser, from disk.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { expect, it } from 'vitest';
import { mnistDataset } from '../../lib/cli/mnist.js';
import { objectives } from '../../lib/cli/objectives.js';
import { writeReport } from '../../lib/cli/report.js';
import { train } from '../../lib/cli/train.js';

it('shows every chart with its marks, every loss in the table, and no error on the console', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hypersphere-report-'));
  const names = Object.keys(objectives);
  const mnist = mnistDataset();
  const results = [];
  for (const loss of names) {
    const shared = { loss, steps: 4, seed: 1 };
    results.push(await train(mnist, { ...shared, dim: 2, trainClasses: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], heldOut: [] }));
    results.push(await train(mnist, { ...shared, dim: 4, trainClasses: [0, 1, 2, 3, 4, 5, 6, 7], heldOut: [8, 9] }));
  }
  writeReport(folder, results, { data: 'MNIST', backend: 'ts', comparison: 'quick', steps: 4, seed: 1, dim: 4, workers: 1 });

  const executablePath = execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim();
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-background-networking'] });
  try {
    const page = await browser.newPage();
    const errors: string[] = [];
    const requests: string[] = [];
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    page.on('pageerror', (error) => errors.push(String(error)));
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(pathToFileURL(join(folder, 'report.html')).href);
    const charts = await page.$$eval('figure[data-chart]', (figures) =>
      figures.map((figure) => ({
        name: figure.getAttribute('data-chart') ?? '',
        dots: figure.querySelectorAll('circle').length,
        lines: [...figure.querySelectorAll('[aria-label="line"] path')].filter((p) => (p.getAttribute('d') ?? '').length > 10).length,
        width: figure.getBoundingClientRect().width,
        broken: figure.innerHTML.includes('NaN'),
      })),
    );
    expect(charts.map((chart) => chart.name)).toEqual([...names.map((name) => `scatter-${name}`), 'roc-89', 'curves']);
    for (const chart of charts) {
      expect(chart.width, chart.name).toBeGreaterThan(200);
      expect(chart.broken, chart.name).toBe(false);
      if (chart.name.startsWith('scatter')) expect(chart.dots, chart.name).toBe(2000);
      else expect(chart.lines, chart.name).toBe(names.length);
    }
    expect(await page.$$eval('tbody tr', (rows) => rows.length)).toBe(names.length);
    expect(errors).toEqual([]);
    expect(requests).toHaveLength(1);
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
