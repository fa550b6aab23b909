// Trains every loss on the rendered characters, or those of `--loss arcFace,circle`, and prints the table; `--table equal` puts it into
// docs/typefaces.md between the marks of that name. A run that has finished is kept in data/runs, so that an interrupted comparison
// goes on where it was; a change of the training or of the set is a reason to remove that folder.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
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
    table: { type: 'string' },
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

// A file for each, so that two comparisons may run beside one another.
const cache = `${here}/data/runs`;
mkdirSync(cache, { recursive: true });
async function kept(name: string): Promise<Run> {
  const file = `${cache}/${name}-${plan.steps}-${plan.dim}-${plan.seed}.json`;
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  const start = performance.now();
  const result = await run(glyphs, parts, plan, name);
  writeFileSync(file, JSON.stringify(result));
  const losses = result.loss?.map((value) => value.toPrecision(3)).join(' → ');
  console.log(`${name}: AUC ${result.unseen.auc.toFixed(4)}, loss ${losses}, ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return result;
}

const runs = baselines(glyphs, parts, plan);
for (const name of names) runs.push(await kept(name));
const table = tableOf(runs);
if (values.table) writeFileSync(page, placed(readFileSync(page, 'utf8'), values.table, table));
else console.log(table);
