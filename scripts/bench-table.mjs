// npm run bench:table: README's table of ratios, from bench/results.json. Ratios only: lone times say nothing of another machine.
import { readFileSync, writeFileSync } from 'node:fs';

const results = JSON.parse(readFileSync('bench/results.json', 'utf8'));
const groups = new Map();
for (const row of results) {
  const key = `${row.op} [${row.shape.join(', ')}]`;
  groups.set(key, [...(groups.get(key) ?? []), row]);
}
const names = {
  faiss: 'faiss',
  onnxruntime: 'onnxruntime',
  usearch: 'usearch',
  torchDense: 'dense mask',
  torchMetricLearning: 'pytorch-metric-learning',
};
const best = (rows) => rows.find(({ backend }) => backend === 'native');
const cell = (ours, other) => (other ? `${(other.ms / ours.ms).toFixed(other.ms / ours.ms < 10 ? 1 : 0)}×` : '-');
const lines = [
  '| op | share of FMA peak | TypeScript backend | PyTorch | others |',
  '|---|---|---|---|---|',
  ...[...groups].flatMap(([key, rows]) => {
    const ours = best(rows);
    if (!ours) return [];
    const of = (name) => rows.find(({ backend }) => backend === name);
    const others = Object.entries(names).flatMap(([name, title]) => (of(name) ? [`${title} ${cell(ours, of(name))}`] : []));
    const share = ours.peakGflops ? `${((100 * ours.gflops) / ours.peakGflops).toFixed(0)} %` : '-';
    return [`| \`${key}\` | ${share} | ${cell(ours, of('ts'))} | ${cell(ours, of('torch'))} | ${others.join(', ') || '-'} |`];
  }),
];
const readme = readFileSync('README.md', 'utf8');
const [start, end] = ['<!-- bench -->\n', '\n<!-- /bench -->'];
const [before, rest] = readme.split(start);
if (rest === undefined) throw new Error('README.md has no bench markers');
writeFileSync('README.md', `${before}${start}${lines.join('\n')}${end}${rest.split(end)[1]}`);
