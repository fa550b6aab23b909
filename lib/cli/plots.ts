// The charts as SVG text, drawn without a browser.
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { objectives } from './objectives.js';
import type { RunResult } from './train.js';

export interface Chart {
  readonly name: string;
  readonly caption: string;
  readonly svg: string;
}

const titleOf = (run: RunResult): string => objectives[run.job.loss]?.title ?? run.job.loss;

function render(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const svg = Plot.plot({ ...options, document, figure: false } as Plot.PlotOptions).outerHTML;
  return svg.includes('xmlns=') ? svg : svg.replace('<svg', '<svg xmlns="http://www.w3.org/2000/svg"');
}

const digitColors = { type: 'categorical', scheme: 'Tableau10', domain: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] } as const;

/** The 2-D test embeddings of one loss, from the origin, as the papers draw them. */
function scatter(run: RunResult): Chart {
  const reach = 1.05 * run.points.reduce((max, p) => Math.max(max, Math.abs(p.x), Math.abs(p.y)), 1e-6);
  const svg = render({
    width: 320,
    height: 320,
    margin: 28,
    x: { domain: [-reach, reach], label: null, ticks: 4 },
    y: { domain: [-reach, reach], label: null, ticks: 4 },
    color: digitColors,
    marks: [
      Plot.ruleX([0], { stroke: '#ddd' }),
      Plot.ruleY([0], { stroke: '#ddd' }),
      Plot.dot(run.points, { x: 'x', y: 'y', fill: 'digit', r: 1.4 }),
      Plot.text(centroids(run), {
        x: 'x',
        y: 'y',
        text: 'digit',
        fontSize: 15,
        fontWeight: 'bold',
        stroke: 'white',
        strokeWidth: 4,
        fill: '#111',
      }),
    ],
  });
  return { name: `scatter-${run.job.loss}`, caption: `${titleOf(run)}: accuracy ${(100 * run.accuracy).toFixed(1)} %`, svg };
}

function centroids(run: RunResult): { x: number; y: number; digit: number }[] {
  return run.job.trainDigits.map((digit) => {
    const own = run.points.filter((p) => p.digit === digit);
    const mean = (axis: 'x' | 'y'): number => own.reduce((sum, p) => sum + p[axis], 0) / Math.max(own.length, 1);
    return { x: mean('x'), y: mean('y'), digit };
  });
}

const wide = { width: 860, height: 460, marginLeft: 56, marginBottom: 40, grid: true };

function rocChart(runs: readonly RunResult[]): Chart[] {
  if (runs.length === 0) return [];
  const lines = runs.flatMap((run) =>
    (run.verification?.fpr ?? []).map((f, i) => ({ fpr: Math.max(f, 1e-3), tpr: run.verification?.tpr[i] ?? 0, loss: titleOf(run) })),
  );
  const first = runs[0] as RunResult;
  const svg = render({
    ...wide,
    x: { type: 'log', domain: [1e-3, 1], label: 'false accept rate (log)' },
    y: { domain: [0, 1], label: 'true accept rate' },
    color: { scheme: 'Tableau10', domain: runs.map(titleOf) },
    marks: [Plot.line(lines, { x: 'fpr', y: 'tpr', z: 'loss', stroke: 'loss', curve: 'step-after' }), endLabels(lines, 'fpr', 'tpr')],
  });
  const digits = first.job.heldOut.join(' and ');
  return [{ name: `roc-${first.job.heldOut.join('')}`, caption: `Verification on ${digits}, digits never trained on`, svg }];
}

/** Names beside the lines, where they stay apart: a legend of eleven colours is no key. */
function endLabels(lines: readonly { loss: string }[], x: string, y: string): Plot.Markish {
  const names = [...new Set(lines.map((l) => l.loss))];
  const spots = names.map((name, i) => {
    const own = lines.filter((l) => l.loss === name);
    return own[Math.floor(((i + 1) / (names.length + 1)) * (own.length - 1))];
  });
  return Plot.text(spots, { x, y, text: 'loss', fill: 'loss', stroke: 'white', strokeWidth: 3, dy: -6, fontSize: 11 });
}

function curves(runs: readonly RunResult[]): Chart[] {
  if (runs.length === 0) return [];
  // Losses have different units: each is drawn relative to its first value.
  const lines = runs.flatMap((run) =>
    run.curve.map(({ step, loss }) => ({ step, relative: loss / Math.max(run.curve[0]?.loss ?? 1, 1e-12), loss: titleOf(run) })),
  );
  const svg = render({
    ...wide,
    x: { label: 'step' },
    y: { label: 'training loss, relative to its start' },
    color: { scheme: 'Tableau10', domain: runs.map(titleOf) },
    marks: [Plot.line(lines, { x: 'step', y: 'relative', z: 'loss', stroke: 'loss' }), endLabels(lines, 'step', 'relative')],
  });
  return [{ name: 'curves', caption: 'Training curves', svg }];
}

/** Every chart of the report: scatters, an ROC for each held-out split, training curves. */
export function drawCharts(results: readonly RunResult[]): Chart[] {
  const verified = results.filter((r) => r.verification);
  const splits = [...new Set(verified.map((r) => r.job.heldOut.join('')))];
  return [
    ...results.filter((r) => r.points.length > 0).map(scatter),
    ...splits.flatMap((split) => rocChart(verified.filter((r) => r.job.heldOut.join('') === split))),
    ...curves(verified.filter((r) => r.job.heldOut.join('') === splits[0])),
  ];
}
