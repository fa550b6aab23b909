// The charts of a comparison.
import * as Plot from '@observablehq/plot';
import { objectives } from './objectives.js';
import { type Chart, drawSvg } from './page.js';
import type { RunResult } from './train.js';

const titleOf = (run: RunResult): string => objectives[run.job.loss]?.title ?? run.job.loss;

const digitColors = { type: 'categorical', scheme: 'Tableau10', domain: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] } as const;

/** The 2-D test embeddings of one loss, from the origin, as the papers draw them. */
function scatter(run: RunResult): Chart {
  const reach = 1.05 * run.points.reduce((max, p) => Math.max(max, Math.abs(p.x), Math.abs(p.y)), 1e-6);
  const svg = drawSvg({
    width: 320,
    height: 320,
    margin: 28,
    marginLeft: 40,
    x: { domain: [-reach, reach], label: null, ticks: 4 },
    y: { domain: [-reach, reach], label: null, ticks: 4 },
    color: digitColors,
    marks: [
      Plot.ruleX([0], { stroke: '#ddd' }),
      Plot.ruleY([0], { stroke: '#ddd' }),
      Plot.dot(run.points, { x: 'x', y: 'y', fill: 'label', r: 1.4 }),
      Plot.text(centroids(run), {
        x: 'x',
        y: 'y',
        text: 'label',
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

function centroids(run: RunResult): { x: number; y: number; label: number }[] {
  return run.job.trainClasses.map((label) => {
    const own = run.points.filter((p) => p.label === label);
    const mean = (axis: 'x' | 'y'): number => own.reduce((sum, p) => sum + p[axis], 0) / Math.max(own.length, 1);
    return { x: mean('x'), y: mean('y'), label };
  });
}

const nameColumn = 185;
const wide = { width: 860, height: 460, marginLeft: 56, marginBottom: 40, marginRight: nameColumn, grid: true };
// Eleven hues that stay apart on white; a scheme of ten would use one of them twice.
const lineColors = [
  ...['#4269d0', '#efb118', '#d6336c', '#2b8a3e', '#6cc5b0', '#9467bd', '#e8590c', '#0c8599', '#9c6b4e', '#555555', '#1b1b6f'],
];

interface Line {
  readonly loss: string;
  readonly x: number;
  readonly y: number;
}

function lineChart(lines: readonly Line[], x: Plot.ScaleOptions, y: Plot.ScaleOptions, curve: 'linear' | 'step-after'): string {
  const names = [...new Set(lines.map((l) => l.loss))];
  return drawSvg({
    ...wide,
    x,
    y,
    color: { domain: names, range: lineColors },
    marks: [Plot.line(lines, { x: 'x', y: 'y', z: 'loss', stroke: 'loss', curve }), ...key(names)],
  });
}

/** The names in a column beside the chart: they would hide one another at the lines' ends. */
function key(names: readonly string[]): Plot.Markish[] {
  return names.flatMap((name, i) => {
    const at = { frameAnchor: 'top-right', dy: 10 + 20 * i } as const;
    return [
      Plot.dot([name], { ...at, dx: 16, r: 5, fill: () => name }),
      Plot.text([name], { ...at, dx: 28, dy: 4 + 20 * i, fontSize: 12, textAnchor: 'start', text: () => name }),
    ];
  });
}

function rocChart(runs: readonly RunResult[]): Chart[] {
  const first = runs[0];
  if (!first) return [];
  const lines = runs.flatMap((run) =>
    (run.verification?.fpr ?? []).map((f, i) => ({ x: Math.max(f, 1e-3), y: run.verification?.tpr[i] ?? 0, loss: titleOf(run) })),
  );
  const x = { type: 'log', domain: [1e-3, 1], ticks: [1e-3, 1e-2, 1e-1, 1], tickFormat: String, label: 'false accept rate (log)' } as const;
  const svg = lineChart(lines, x, { domain: [0, 1], label: 'true accept rate' }, 'step-after');
  const { heldOut } = first.job;
  const few = heldOut.length <= 3;
  const caption = `Verification on ${few ? heldOut.join(' and ') : `${heldOut.length} classes`}, never trained on`;
  return [{ name: few ? `roc-${heldOut.join('')}` : 'roc', caption, svg }];
}

function curves(runs: readonly RunResult[]): Chart[] {
  if (runs.length === 0) return [];
  // Losses have different units: each is drawn relative to its first value.
  const lines = runs.flatMap((run) =>
    run.curve.map(({ step, loss }) => ({ x: step, y: loss / Math.max(run.curve[0]?.loss ?? 1, 1e-12), loss: titleOf(run) })),
  );
  const svg = lineChart(lines, { label: 'step' }, { label: 'training loss, relative to its start' }, 'linear');
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
