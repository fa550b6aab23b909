// npm run fuzz -- --minutes N [--seed S]: random calls until the time is over, half of it against the reference inside Node (test/fuzz/run.ts), half of
// it by libFuzzer on the core alone (test/fuzz/native), where a clang that has it is, and which is compiled during the first half.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildFuzzer, fuzzerFolder, missingFuzzer } from './fuzzer.mjs';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string' } } });
const seconds = Number(values.minutes) * 60;
if (!(seconds > 0)) throw new RangeError(`--minutes: expected a number above 0, got ${values.minutes}`);

function fuzzCore(time) {
  // What it finds worth going on from stays in the one; what it finds wrong, in the other.
  const [corpus, found] = [join(fuzzerFolder, 'corpus'), join(fuzzerFolder, 'found')];
  for (const made of [corpus, found]) mkdirSync(made, { recursive: true });
  const options = [
    `-max_total_time=${Math.ceil(time)}`,
    '-len_control=0',
    '-max_len=512',
    '-timeout=120',
    '-verbosity=0',
    '-print_funcs=0',
  ];
  const seed = values.seed === undefined ? [] : [`-seed=${values.seed}`];
  const folders = [corpus, 'test/fuzz/native/corpus'];
  const { status } = spawnSync(join(fuzzerFolder, 'fuzz'), [...options, ...seed, `-artifact_prefix=${found}/`, ...folders], {
    stdio: 'inherit',
  });
  console.log(`libFuzzer: ${readdirSync(corpus).length} inputs in ${corpus}`);
  if (status !== 0) console.log(`found: see ${found}. Keep it in test/fuzz/native/corpus: the tests replay what lies there.`);
  console.log(`${status === 0 ? 1 : 0} passed, ${status === 0 ? 0 : 1} failed, 0 skipped`);
  return status === 0;
}

const reason = missingFuzzer();
if (reason !== undefined) console.log(`not run: libFuzzer: ${reason}`);
const share = reason === undefined ? seconds / 2 : seconds;
const seed = values.seed === undefined ? [] : ['--seed', values.seed];
const inNode = ['scripts/run-ts.mjs', 'test/fuzz/run.js', '--minutes', String(share / 60), ...seed];
const child = spawn(process.execPath, inNode, { stdio: 'inherit' });
process.once('exit', () => child.kill());
const ended = once(child, 'exit');
if (reason === undefined) buildFuzzer(['fuzz']);
const [status] = await ended;
const held = reason !== undefined || fuzzCore(share);
process.exit(status === 0 && held ? 0 : 1);
