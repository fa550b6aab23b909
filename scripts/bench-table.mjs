// npm run bench:table: the table of ratios in docs/performance.md, from bench/results.json, and in the README the largest shape of every op
// that has a peer. Ratios only: lone times say nothing of another machine.
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
const head = ['| op | share of FMA peak | TypeScript backend | PyTorch | others |', '|---|---|---|---|---|'];

function line(key, rows) {
  const ours = best(rows);
  const of = (name) => rows.find(({ backend }) => backend === name);
  const others = Object.entries(names).flatMap(([name, title]) => (of(name) ? [`${title} ${cell(ours, of(name))}`] : []));
  const share = ours.peakGflops ? `${((100 * ours.gflops) / ours.peakGflops).toFixed(0)} %` : '-';
  return `| \`${key}\` | ${share} | ${cell(ours, of('ts'))} | ${cell(ours, of('torch'))} | ${others.join(', ') || '-'} |`;
}

function write(file, entries) {
  const page = readFileSync(file, 'utf8');
  const [start, end] = ['<!-- bench -->\n', '\n<!-- /bench -->'];
  const [before, rest] = page.split(start);
  if (rest === undefined) throw new Error(`${file} has no bench markers`);
  const lines = [...head, ...entries.map(([key, rows]) => line(key, rows))];
  writeFileSync(file, `${before}${start}${lines.join('\n')}${end}${rest.split(end)[1]}`);
}

const measured = [...groups].filter(([, rows]) => best(rows));
const work = ([, rows]) => best(rows).gflops * best(rows).ms;
const hasPeer = ([, rows]) => rows.some(({ backend }) => backend === 'torch' || backend in names);
const largest = new Map();
for (const entry of measured.filter(hasPeer).sort((a, b) => work(a) - work(b))) largest.set(best(entry[1]).op, entry);
write('docs/performance.md', measured);
write(
  'README.md',
  measured.filter((entry) => largest.get(best(entry[1]).op) === entry),
);
