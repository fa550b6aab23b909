// Median, least and most milliseconds of a call, and the memory of its first run, for the peers that run in Node, as timing.py has it.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

/** A package of the folder HYPERSPHERE_NODE_PEERS, or of this repository; without it the process says so and ends. */
export function peer(name) {
  try {
    return createRequire(join(resolve(process.env.HYPERSPHERE_NODE_PEERS ?? '.'), 'package.json'))(name);
  } catch (error) {
    console.error(error.message.split('\n')[0]);
    process.exit(1);
  }
}

const resident = (name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;

async function extraMiB(run) {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    await run();
    return null;
  }
  const before = resident('VmRSS');
  await run();
  return Math.max(resident('VmHWM') - before, 0);
}

async function timed(run, budget = 3000) {
  await run();
  const samples = [];
  for (const end = performance.now() + budget; samples.length < 3 || (performance.now() < end && samples.length < 50); ) {
    const start = performance.now();
    await run();
    samples.push(performance.now() - start);
  }
  samples.sort((a, b) => a - b);
  return { ms: samples[samples.length >> 1], lo: samples[0], hi: samples.at(-1) };
}

/** For each argument `op:shape` the line of what `prepare(op, shape)` runs, if it does. */
export async function report(prepare) {
  for (const key of process.argv.slice(2)) {
    const [op, dims] = key.split(':');
    const shape = dims.split(',').map(Number);
    const run = await prepare(op, shape);
    if (run) console.log(JSON.stringify({ op, shape, extraMiB: await extraMiB(run), ...(await timed(run)) }));
  }
}

export function uniforms(length, seed) {
  const values = new Float32Array(length);
  for (let i = 0, state = seed; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = state * 2 ** -32;
  }
  return values;
}
