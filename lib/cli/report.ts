// report.html (one self-contained file), the charts as PNG, and the figures as JSON.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { objectives } from './objectives.js';
import { type Chart, escapeHtml, figure, page, table, writePngs } from './page.js';
import { drawCharts } from './plots.js';
import { columns, type SummaryRow, summarize } from './summary.js';
import type { RunResult } from './train.js';

export interface ReportFacts {
  /** `MNIST`, or the file. */
  readonly data: string;
  readonly backend: string;
  readonly comparison: string;
  readonly steps: number;
  readonly seed: number;
  readonly dim: number;
  /** Runs trained side by side, which share the cores. */
  readonly workers: number;
}

export function writeReport(folder: string, results: readonly RunResult[], facts: ReportFacts): SummaryRow[] {
  mkdirSync(folder, { recursive: true });
  const rows = summarize(results);
  const charts = drawCharts(results);
  writePngs(folder, charts);
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify({ facts, summary: rows, runs: results }, undefined, 1)}\n`);
  writeFileSync(join(folder, 'report.html'), reportPage(rows, charts, facts));
  return rows;
}

function reportPage(rows: readonly SummaryRow[], charts: readonly Chart[], facts: ReportFacts): string {
  const figures = charts.map(figure);
  const figuresTable = table(
    columns.map((c) => c.head),
    rows.map((row) => columns.map((c) => c.cell(row))),
  );
  const scatters = figures.filter((f) => f.includes('data-chart="scatter'));
  const trained = Object.entries(objectives).filter(([name]) => rows.some(({ loss }) => loss === name));
  const settings = trained.map(
    ([, { title, settings, score }]) => `<li><b>${escapeHtml(title)}</b>: ${escapeHtml(settings)}; compared by ${score} distance</li>`,
  );
  return page(
    `hypersphere: losses on ${facts.data}`,
    `<h1>Losses of metric learning on ${escapeHtml(facts.data)}</h1>
<p>Backend ${facts.backend}, comparison “${facts.comparison}”: ${facts.steps} steps of up to 64 rows for every loss, ${facts.dim} dimensions for the
table, seed ${facts.seed}, ${facts.workers} at a time. Fully connected layers inputs-256-128-d with PReLU, Adam at 0.001.</p>
${scatters.length > 0 ? `<h2>2-D embeddings of test rows</h2>${scatters.join('')}` : ''}
<h2>Figures</h2>${figuresTable}
<p>Accuracy: test rows of trained classes, by the nearest class mean. AUC, EER, TAR, P@1 and MAP@R: rows of classes that were never trained on
(means over the splits run). Intra and inter: mean angle between embeddings of one trained class and of two.
Seconds per step are those of this machine with ${facts.workers} runs sharing it, so compare only large differences.</p>
${figures.filter((f) => !scatters.includes(f)).join('')}
<h2>Settings</h2><ul>${settings.join('')}</ul>
${facts.data === 'MNIST' ? aboutMnist : ''}`,
  );
}

const aboutMnist = `<p>These are the papers' values or common ones, the annealing of λ scaled to the number of steps. One was changed after a look at this data:
batch-hard has its paper's soft margin since the hinge on unit rows collapsed to a point. None was tuned for its figures.</p>
<h2>What this can and cannot show</h2>
<p>It shows the shapes the papers draw: softmax spreads its classes in rays, center loss gathers each around a point, angular margins narrow the rays.
It shows that every loss trains, and what a step costs here. It does not rank the losses: two unseen digits are a tiny open set whose figures move by
several points with the seed, MNIST is nearly solved by any of them, the backbone is small, the runs are short, and margins were made for thousands of classes.</p>`;
