// From runs to one row per loss, and that table as text.
import { objectives } from './objectives.js';
import type { RunResult } from './train.js';

export interface SummaryRow {
  readonly loss: string;
  readonly title: string;
  readonly accuracy: number;
  readonly auc: number;
  readonly eer: number;
  readonly tarAtFar: number;
  readonly precisionAt1: number;
  readonly mapAtR: number;
  readonly intraAngle: number;
  readonly interAngle: number;
  readonly secondsPerStep: number;
}

/** Means over the verification runs of each loss (one per split of the digits). */
export function summarize(results: readonly RunResult[]): SummaryRow[] {
  const rows: SummaryRow[] = [];
  for (const [loss, { title }] of Object.entries(objectives)) {
    const runs = results.filter((r) => r.job.loss === loss && r.verification);
    if (runs.length === 0) continue;
    const mean = (of: (run: RunResult) => number): number => runs.reduce((sum, run) => sum + of(run), 0) / runs.length;
    const verified = (name: 'auc' | 'eer' | 'tarAtFar' | 'precisionAt1' | 'mapAtR'): number =>
      mean((r) => r.verification?.[name] ?? Number.NaN);
    rows.push({
      loss,
      title,
      accuracy: mean((r) => r.accuracy),
      auc: verified('auc'),
      eer: verified('eer'),
      tarAtFar: verified('tarAtFar'),
      precisionAt1: verified('precisionAt1'),
      mapAtR: verified('mapAtR'),
      intraAngle: mean((r) => r.intraAngle),
      interAngle: mean((r) => r.interAngle),
      secondsPerStep: mean((r) => r.secondsPerStep),
    });
  }
  return rows;
}

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
const degrees = (value: number): string => `${value.toFixed(0)}°`;

export const columns: readonly { readonly head: string; readonly cell: (row: SummaryRow) => string }[] = [
  { head: 'loss', cell: (r) => r.title },
  { head: 'accuracy', cell: (r) => percent(r.accuracy) },
  { head: 'AUC', cell: (r) => r.auc.toFixed(4) },
  { head: 'EER', cell: (r) => percent(r.eer) },
  { head: 'TAR@FAR=1e-2', cell: (r) => percent(r.tarAtFar) },
  { head: 'P@1', cell: (r) => percent(r.precisionAt1) },
  { head: 'MAP@R', cell: (r) => percent(r.mapAtR) },
  { head: 'intra', cell: (r) => degrees(r.intraAngle) },
  { head: 'inter', cell: (r) => degrees(r.interAngle) },
  { head: 's/step', cell: (r) => r.secondsPerStep.toFixed(4) },
];

export function textTable(rows: readonly SummaryRow[]): string {
  const cells = [columns.map((c) => c.head), ...rows.map((row) => columns.map((c) => c.cell(row)))];
  const widths = columns.map((_, c) => Math.max(...cells.map((line) => (line[c] as string).length)));
  return cells
    .map((line) => line.map((text, c) => (c === 0 ? text.padEnd(widths[c] as number) : text.padStart(widths[c] as number))).join('  '))
    .join('\n');
}
