// Trains every loss on the rendered characters and puts the table into docs/typefaces.md; `-- --loss arcFace,circle` prints those instead.
// A run that has finished is kept in data/runs.json, so that an interrupted comparison goes on where it was.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { objectives } from '../../lib/cli/objectives.js';
import { info, setThreads } from '../../lib/index.js';
import { readGlyphs, split } from './data.js';
import { baselines, type Plan, type Run, run } from './runs.js';
import { placed, tableOf } from './table.js';

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '1500' },
    dim: { type: 'string', default: '64' },
    seed: { type: 'string', default: '1' },
    loss: { type: 'string' },
  },
});
const here = 'examples/typefaces';
const page = 'docs/typefaces.md';
const trainedCharacters = 2500;
// Of several kinds, none of them like another of the set (render.mjs prints how like): mincho, rounded, marker, pixels, pencil.
const heldOut = ['hina-mincho', 'kiwi-maru', 'yusei-magic', 'dotgothic16', 'klee-one'];
const plan: Plan = {
  steps: Number(values.steps),
  dim: Number(values.dim),
  seed: Number(values.seed),
  batch: { classes: 32, perClass: 4 },
};

const names = values.loss?.split(',') ?? Object.keys(objectives);
if (!existsSync(`${here}/data/glyphs.npy`)) throw new Error(`${here}/data is missing: npm install and npm run render there come first`);
if (info().backend === 'native') setThreads(1);
const glyphs = await readGlyphs(`${here}/data`);
const parts = split(glyphs, trainedCharacters, heldOut, plan.seed);
console.log(
  `${parts.train.length} pictures to train on; ${parts.unseen.length} to verify on, ${parts.unseenFonts.length} in new typefaces`,
);

const cache = `${here}/data/runs.json`;
const finished: Record<string, Run> = existsSync(cache) ? JSON.parse(readFileSync(cache, 'utf8')) : {};
const runs = baselines(glyphs, parts, plan);
for (const name of names) {
  const key = JSON.stringify([name, plan]);
  const start = performance.now();
  finished[key] ??= await run(glyphs, parts, plan, name);
  writeFileSync(cache, JSON.stringify(finished));
  const { unseen, loss } = finished[key];
  console.log(
    `${name}: AUC ${unseen.auc.toFixed(4)}, loss ${loss?.map((value) => value.toPrecision(3)).join(' → ')}, ${((performance.now() - start) / 1000).toFixed(1)} s`,
  );
  runs.push(finished[key]);
}
const table = tableOf(runs);
if (values.loss) console.log(table);
else writeFileSync(page, placed(readFileSync(page, 'utf8'), table));
