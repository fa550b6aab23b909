// `hypersphere eval`: metrics of embeddings in files, as text or JSON, and a report.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { info } from '../index.js';
import { type Evaluation, type EvaluationOptions, evaluate } from './evaluation.js';
import { type InputFlags, readInputs } from './inputs.js';

export interface EvalFlags extends InputFlags, EvaluationOptions {
  readonly out?: string;
  readonly json?: boolean;
}

const percent = (value: number): string => `${(100 * value).toFixed(2)} %`;

/** Name and figure, in the order of the text and of the report. */
export function figuresOf({ verification, retrieval }: Evaluation): [name: string, value: string][] {
  const { foldAccuracy } = verification;
  return [
    ['AUC', verification.auc.toFixed(5)],
    ['EER', percent(verification.eer)],
    ...verification.tarAtFar.map(({ far, tar }): [string, string] => [`TAR@FAR=${far}`, percent(tar)]),
    ['best accuracy', percent(verification.bestAccuracy)],
    ...(foldAccuracy ? [['10-fold accuracy', `${percent(foldAccuracy.mean)} ± ${percent(foldAccuracy.std)}`] as [string, string]] : []),
    ['P@1', percent(retrieval.precisionAt1)],
    ...retrieval.recallAtK.filter(({ k }) => k > 1).map(({ k, recall }): [string, string] => [`recall@${k}`, percent(recall)]),
    ['R-precision', percent(retrieval.rPrecision)],
    ['MAP@R', percent(retrieval.mapAtR)],
    ['MRR', retrieval.mrr.toFixed(5)],
  ];
}

async function writeReport(folder: string, found: Evaluation, nameOf: (label: number) => string): Promise<void> {
  const [{ evaluationCharts }, { escapeHtml, figure, page, table, writePngs }] = await Promise.all([
    import('./evaluation-charts.js'),
    import('./page.js'),
  ]);
  const charts = evaluationCharts(found, nameOf);
  const { rows, dim, classes, options, confusions } = found;
  mkdirSync(folder, { recursive: true });
  writePngs(folder, charts);
  writeFileSync(join(folder, 'evaluation.json'), `${JSON.stringify(found, undefined, 1)}\n`);
  const confused = confusions
    .slice(0, 20)
    .map(({ label, taken, count, share }) => [nameOf(label), nameOf(taken), String(count), percent(share)]);
  const body = `<h1>Embeddings</h1>
<p>${rows} rows of ${dim}, ${classes} classes, ${escapeHtml(options.metric)} metric, ${options.pairs} pairs drawn by seed ${options.seed};
retrieval and confusions over ${found.retrieval.rows} rows; ${info().backend} backend.</p>
${table(['metric', 'value'], figuresOf(found))}
${charts.map(figure).join('')}
<h2>Classes taken for others</h2>
${confused.length > 0 ? table(['class', 'nearest row is of', 'rows', 'share of the class'], confused) : '<p>None: the nearest neighbour of every row is of its own class.</p>'}`;
  writeFileSync(join(folder, 'report.html'), page('hypersphere: evaluation', body));
}

export async function evalCommand(path: string, { out, json, metric, pairs, rows, seed, ...files }: EvalFlags): Promise<void> {
  const { x, labels, names } = await readInputs(path, files);
  const found = evaluate(x, labels, { metric, pairs, rows, seed });
  if (out !== undefined) await writeReport(out, found, (label) => names?.[label] ?? String(label));
  if (json) {
    console.log(JSON.stringify({ ...found, names }));
    return;
  }
  console.log(`${found.rows} rows of ${found.dim}, ${found.classes} classes; retrieval over ${found.retrieval.rows} rows, ${pairs} pairs`);
  for (const [name, value] of figuresOf(found)) console.log(`  ${name.padEnd(18)} ${value.padStart(10)}`);
  if (out !== undefined) console.log(`Report: ${join(out, 'report.html')}`);
}
