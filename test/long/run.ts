// npm run verify:long: what takes too long for every change. `-- kills 20` or `-- million --classes 20000 --steps 100` runs one part, smaller.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { damage, hostile } from './damaged-files.js';
import { inFlight } from './in-flight.js';
import { killSaves } from './kill-saves.js';
import { largeFile, largeNpy } from './large-file.js';
import { loopDelay } from './loop-delay.js';
import { type MillionOptions, million, trainMillion } from './million.js';
import { mineMillion, type OfflineOptions, offline } from './offline.js';
import { longSoak, type SoakOptions, soakAll } from './soak.js';
import { terminations } from './terminations.js';

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-long-'));
const print = (line: string): void => console.log(line);
const seed = Date.now() % 2 ** 32;

async function kills(rounds: number): Promise<void> {
  const { saves, interrupted } = await killSaves(rounds, folder, seed);
  print(`${rounds} kills (seed ${seed}), ${interrupted} of them in the middle of a save, ${saves} saves, nothing torn`);
  if (interrupted === 0) throw new Error('no kill met a save: this has shown nothing');
}

async function large(): Promise<void> {
  await largeFile(folder);
  print('a tensor of more than 4 GiB came back');
  await largeNpy(folder);
  print('rows of a .npy file of more than 4 GiB came back');
}

async function flights(calls: number): Promise<void> {
  const { fulfilled, aborted, most } = await inFlight(calls, seed);
  print(`${calls} calls (seed ${seed}), at most ${most} under way: ${fulfilled} fulfilled with the synchronous bits, ${aborted} aborted`);
}

async function files(every: number): Promise<void> {
  for (const { name, files, refused, same, changed } of await damage(folder, every, seed))
    print(
      `${name}: ${files} damaged files, ${refused} refused, ${same} read as the sound one, ${changed} with another number (seed ${seed})`,
    );
  const { files, most, name } = await hostile(folder, 16);
  print(`${files} hostile files refused; at most ${(most / 2 ** 20).toFixed(0)} MiB more resident (${name})`);
}

async function terminate(rounds: number): Promise<void> {
  const { ready, early, threads, grown } = await terminations(rounds, seed);
  const mib = (grown / 2 ** 20).toFixed(1);
  print(
    `${rounds} workers terminated (seed ${seed}), ${ready} as they computed, ${early} as they loaded: ${threads} threads and ${mib} MiB more`,
  );
}

/** The addon as the package ships it, for every target there is a compiler for, built in two folders. */
function builds(): void {
  const { status } = spawnSync(process.execPath, ['scripts/prebuild.mjs', '--twice'], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the addon does not build to equal bytes');
}

/** Every kernel of the device on its stand-in, under ThreadSanitizer. */
function races(): void {
  const { status } = spawnSync(process.execPath, ['scripts/test-cuda.mjs', 'races'], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the kernels of the device are not free of races');
}

const program = new Command('verify:long').action(async () => {
  await kills(500);
  await large();
  trainMillion(million, print);
  await mineMillion(offline, folder, print);
  builds();
  races();
  await files(1);
  await flights(10_000);
  await terminate(1000);
  await loopDelay(print);
  await soakAll(longSoak, print);
});
program.command('kills').argument('[rounds]', 'how many', Number, 500).action(kills);
program.command('builds').action(builds);
program.command('races').action(races);
program.command('files').argument('[every]', 'flip every so many bits', Number, 1).action(files);
program.command('large').action(large);
program.command('in-flight').argument('[calls]', 'how many', Number, 10_000).action(flights);
program.command('terminations').argument('[workers]', 'how many', Number, 1000).action(terminate);
program.command('loop-delay').action(() => loopDelay(print));
const train = program.command('million').action((flags: MillionOptions) => trainMillion({ ...million, ...flags }, print));
for (const name of ['classes', 'dim', 'batch', 'steps', 'identities'] as const)
  train.option(`--${name} <n>`, `default ${million[name]}`, Number);
const mine = program.command('offline').action((flags: OfflineOptions) => mineMillion({ ...offline, ...flags }, folder, print));
for (const name of ['rows', 'dim', 'classes', 'anchors'] as const) mine.option(`--${name} <n>`, `default ${offline[name]}`, Number);
const soak = program.command('soak').action((flags: SoakOptions) => soakAll({ ...longSoak, ...flags }, print));
for (const name of ['calls', 'objects'] as const) soak.option(`--${name} <n>`, `default ${longSoak[name]}`, Number);
train.option('--sample-rate <r>', 'default 1', Number);
train.addOption(new Option('--precision <p>').choices(['float32', 'bfloat16']));

try {
  await program.parseAsync();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
