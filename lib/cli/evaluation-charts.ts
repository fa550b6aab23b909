// The charts of an evaluation: ROC, scores of genuine and impostor pairs, classes taken for one another.
import * as Plot from '@observablehq/plot';
import type { Evaluation } from './evaluation.js';
import { type Chart, drawSvg } from './page.js';

const size = { width: 520, height: 400, marginLeft: 56, marginBottom: 40 };
const [genuineColor, impostorColor] = ['#4269d0', '#e8590c'];
const mostClasses = 25;

function rocChart({ curve, verification }: Evaluation): Chart {
  const least = Math.min(1e-3, ...verification.tarAtFar.map(({ far }) => far));
  const points = curve.fpr.map((f, i) => ({ x: Math.max(f, least), y: curve.tpr[i] as number }));
  const svg = drawSvg({
    ...size,
    grid: true,
    x: { type: 'log', domain: [least, 1], tickFormat: String, label: 'false accept rate (log)' },
    y: { domain: [0, 1], label: 'true accept rate' },
    marks: [Plot.line(points, { x: 'x', y: 'y', curve: 'step-after', stroke: genuineColor, strokeWidth: 2 })],
  });
  return { name: 'roc', caption: `ROC: AUC ${verification.auc.toFixed(4)}, EER ${(100 * verification.eer).toFixed(2)} %`, svg };
}

function histogramChart({ histogram, options }: Evaluation): Chart {
  const bars = histogram.flatMap(({ from, to, genuine, impostor }) => [
    { from, to, count: impostor, pairs: 'of two classes' },
    { from, to, count: genuine, pairs: 'of one class' },
  ]);
  const svg = drawSvg({
    ...size,
    grid: true,
    color: { domain: ['of one class', 'of two classes'], range: [genuineColor, impostorColor] },
    x: { label: options.metric === 'cosine' ? 'cosine similarity' : '−squared distance' },
    y: { label: 'pairs' },
    marks: [
      Plot.rectY(bars, { x1: 'from', x2: 'to', y1: () => 0, y2: 'count', fill: 'pairs', fillOpacity: 0.5, mixBlendMode: 'multiply' }),
      Plot.ruleY([0]),
    ],
  });
  return { name: 'scores', caption: 'Scores of pairs of one class (blue) and of two (orange)', svg };
}

function confusionChart({ confusions }: Evaluation, nameOf: (label: number) => string): Chart[] {
  if (confusions.length === 0) return [];
  const classes = [...new Set(confusions.flatMap(({ label, taken }) => [label, taken]))].slice(0, mostClasses);
  const names = classes.map(nameOf);
  const cells = confusions
    .filter(({ label, taken }) => classes.includes(label) && classes.includes(taken))
    .map(({ label, taken, share }) => ({ x: nameOf(taken), y: nameOf(label), share }));
  const svg = drawSvg({
    width: 520,
    height: 480,
    marginLeft: 90,
    marginBottom: 90,
    color: { scheme: 'Oranges', label: 'share of the class' },
    x: { domain: names, label: 'class of the nearest row', tickRotate: -60 },
    y: { domain: names, label: 'class' },
    marks: [Plot.frame({ stroke: '#ddd' }), Plot.cell(cells, { x: 'x', y: 'y', fill: 'share', inset: 0.5 })],
  });
  return [{ name: 'confusion', caption: 'Classes whose rows have their nearest neighbour in another', svg }];
}

export function evaluationCharts(found: Evaluation, nameOf: (label: number) => string): Chart[] {
  return [rocChart(found), histogramChart(found), ...confusionChart(found, nameOf)];
}
