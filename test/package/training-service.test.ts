// examples/training-service as a user has it: compiled against the installed tarball, in a process of its own, spoken to over loopback. Batches
// and answers are laid out here by hand, after its README, and the numbers compared with those of a loop over head and centers.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type ClientRequest, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, expect, inject, it } from 'vitest';
import { compile } from './compiling.js';
import { link, root, run, runBeside } from './packing.js';

const [classes, dim, rows] = [30, 8, 5];
const token = 'correct-horse-battery-staple';
const consumer = inject('consumer');
const program = join(consumer, 'training-service');
const temp = join(inject('temp'), 'training');

interface Service {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly url: string;
  readonly ended: Promise<readonly [code: number | null, signal: string | null]>;
}

const running: Service[] = [];
const argsFor = (folder: string): string[] => [
  'server.js',
  '--classes',
  `${classes}`,
  '--dim',
  `${dim}`,
  '--port',
  '0',
  '--folder',
  folder,
];
const env = { PATH: process.env['PATH'], TRAINING_TOKEN: token };

async function start(folder: string, ...more: string[]): Promise<Service> {
  const child = spawn(process.execPath, [...argsFor(folder), ...more], { cwd: program, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close').then(([code, signal]) => [code, signal] as const);
  let output = '';
  child.stderr.on('data', (text) => (output += text));
  while (!output.includes('listening')) {
    const text = await Promise.race([once(child.stdout, 'data'), ended.then(() => undefined)]);
    if (text === undefined) throw new Error(output);
    output += text;
  }
  const service = { child, url: /http:\S+/.exec(output)?.[0] as string, ended };
  running.push(service);
  return service;
}

afterEach(async () => {
  for (const { child, ended } of running.splice(0)) {
    child.kill('SIGKILL');
    await ended;
  }
});

/** The step's own batch, so that what follows a resume can be sent again. */
function batch(step: number, change: { dim?: number; label?: number; value?: number } = {}): Buffer {
  const width = change.dim ?? dim;
  const body = Buffer.alloc(8 + 4 * rows * (1 + width));
  body.writeUInt32LE(rows, 0);
  body.writeUInt32LE(width, 4);
  for (let i = 0; i < rows; i++) body.writeInt32LE((7 * step + 3 * i) % classes, 8 + 4 * i);
  for (let i = 0; i < rows * width; i++) body.writeFloatLE(Math.sin(100 * step + i), 8 + 4 * rows + 4 * i);
  if (change.label !== undefined) body.writeInt32LE(change.label, 8 + 4);
  if (change.value !== undefined) body.writeFloatLE(change.value, 8 + 4 * rows + 4 * 9);
  return body;
}

interface Answered {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly json: { readonly [name: string]: unknown; readonly error?: { readonly code: string; readonly argument?: string } };
}

async function answered(asked: ClientRequest): Promise<Answered> {
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const body = Buffer.concat(await response.toArray());
  const json = response.headers['content-type'] === 'application/json' ? JSON.parse(body.toString()) : {};
  return { status: response.statusCode as number, headers: response.headers, body, json };
}

const authorization = `Bearer ${token}`;
const open = ({ url }: Service, path: string, options: RequestOptions = {}): ClientRequest =>
  httpRequest(`${url}${path}`, { method: 'POST', agent: false, ...options, headers: { authorization, ...options.headers } });

function post(service: Service, path: string, body: Buffer = Buffer.alloc(0), options: RequestOptions = {}): Promise<Answered> {
  const asked = open(service, path, options);
  asked.end(body);
  return answered(asked);
}

const health = (service: Service): Promise<Answered> =>
  post(service, '/health', undefined, { method: 'GET', headers: { authorization: '' } });

async function step(service: Service, number: number): Promise<Buffer> {
  const { status, body } = await post(service, '/step', batch(number));
  expect(status).toBe(200);
  expect(body.readDoubleLE(8)).toBe(number);
  return body;
}

/** Until /health says so. */
async function until(service: Service, holds: (answer: Answered) => boolean): Promise<void> {
  while (!holds(await health(service))) await sleep(5);
}

/** Headers and half a body, taken up by the service: it has said that the rest may come. */
async function halfSent(service: Service, number: number): Promise<{ readonly asked: ClientRequest; readonly rest: Buffer }> {
  const body = batch(number);
  const asked = open(service, '/step', { headers: { 'content-length': body.length, expect: '100-continue' } });
  asked.flushHeaders();
  await once(asked, 'continue');
  asked.write(body.subarray(0, 40));
  return { asked, rest: body.subarray(40) };
}

const fresh = (name: string): string => {
  const folder = join(temp, name);
  rmSync(folder, { recursive: true, force: true });
  return folder;
};
const nameOf = (steps: number): string => `step-${String(steps).padStart(12, '0')}`;

/** A loop without a service: the answers to these batches in order, and its files in `folder`. */
function bareLoop(bodies: readonly Buffer[], folder: string): Buffer[] {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'batches'), Buffer.concat(bodies));
  const source = `
    import { readFileSync, writeFileSync } from 'node:fs';
    import { arcFace, Centers, ClassifierHead, matrix, sgd } from 'hypersphere';
    import { writeNpy } from 'hypersphere/files';
    process.chdir(${JSON.stringify(folder)});
    const optimizer = sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 5e-4 });
    const head = new ClassifierHead({ classes: ${classes}, dim: ${dim}, margin: arcFace(), optimizer, seed: 0 });
    const centers = new Centers({ classes: ${classes}, dim: ${dim} });
    const bytes = new Uint8Array(readFileSync('batches')).buffer;
    const answers = [];
    for (let at = 8; at < bytes.byteLength; at += ${8 + 4 * rows * (1 + dim)}) {
      const labels = new Int32Array(bytes, at, ${rows});
      const x = matrix(new Float32Array(bytes, at + ${4 * rows}, ${rows * dim}), ${dim});
      const softmax = head.step(x, labels);
      const center = centers.loss(x, labels);
      centers.update(x, labels);
      const gradient = softmax.gradEmbeddings.data.map((g, i) => g + 0.003 * center.gradEmbeddings.data[i]);
      const start = Buffer.alloc(24);
      start.writeDoubleLE(softmax.loss + 0.003 * center.loss, 0);
      start.writeDoubleLE(head.steps, 8);
      start.writeUInt32LE(${rows}, 16);
      start.writeUInt32LE(${dim}, 20);
      answers.push(start, Buffer.from(gradient.buffer));
    }
    writeFileSync('answers', Buffer.concat(answers));
    await head.save('head.safetensors');
    await writeNpy('centers.npy', centers.matrix);
  `;
  runBeside(consumer, 'training-bare/loop.mjs', source);
  const answers = readFileSync(join(folder, 'answers'));
  const length = answers.length / bodies.length;
  return bodies.map((_, i) => answers.subarray(i * length, (i + 1) * length));
}

beforeAll(() => {
  cpSync(join(root, 'examples/training-service'), program, { recursive: true });
  writeFileSync(join(program, 'package.json'), '{"type":"module"}');
  link(consumer, '@types/autocannon');
  const files = readdirSync(program).filter((file) => file.endsWith('.ts'));
  const node = ['--typeRoots', join(root, 'node_modules/@types'), '--types', 'node', '--skipLibCheck', 'true'];
  expect(
    compile(
      files.map((file) => join(program, file)),
      ['--module', 'nodenext', ...node],
    ),
  ).toBe('');
  // As long as a test: the compiler reads Node's declarations.
}, 60_000);

it('gives the bits of a bare loop, whatever is refused between the steps', async () => {
  const folder = fresh('bits');
  const service = await start(folder, '--max-bytes', '4096');
  const numbers = [1, 2, 3, 4, 5, 6];
  const bare = fresh('bare');
  const expected = bareLoop(
    numbers.map((number) => batch(number)),
    bare,
  );
  for (const number of numbers.slice(0, 3)) expect(await step(service, number)).toEqual(expected[number - 1]);

  const good = batch(4);
  const refused: readonly (readonly [status: number, code: string, ask: () => Promise<Answered>])[] = [
    [401, 'ERR_UNAUTHORISED', () => post(service, '/step', good, { headers: { authorization: `Bearer ${token}x` } })],
    [401, 'ERR_UNAUTHORISED', () => post(service, '/checkpoint', undefined, { headers: { authorization: '' } })],
    [401, 'ERR_UNAUTHORISED', () => post(service, '/nothing', undefined, { headers: { authorization: `Basic ${token}` } })],
    [404, 'ERR_NOT_FOUND', () => post(service, '/nothing')],
    [405, 'ERR_METHOD', () => post(service, '/step', undefined, { method: 'GET' })],
    [411, 'ERR_LENGTH_REQUIRED', () => post(service, '/step', good, { headers: { 'transfer-encoding': 'chunked' } })],
    [413, 'ERR_TOO_LARGE', () => post(service, '/step', Buffer.alloc(4097))],
    [400, 'ERR_FORMAT', () => post(service, '/step')],
    [400, 'ERR_FORMAT', () => post(service, '/step', Buffer.alloc(8))],
    [400, 'ERR_FORMAT', () => post(service, '/step', good.subarray(0, -4))],
    [400, 'ERR_FORMAT', () => post(service, '/step', Buffer.concat([good, good]))],
    [400, 'ERR_FORMAT', () => post(service, '/step', batch(4, { value: Number.NaN }))],
    [400, 'ERR_FORMAT', () => post(service, '/step', batch(4, { value: 1e30 }))],
    [400, 'ERR_SHAPE', () => post(service, '/step', batch(4, { dim: dim + 1 }))],
    [400, 'ERR_LABEL_RANGE', () => post(service, '/step', batch(4, { label: classes }))],
    [400, 'ERR_LABEL_RANGE', () => post(service, '/step', batch(4, { label: -100 }))],
  ];
  for (const [status, code, ask] of refused) {
    const { json, ...rest } = await ask();
    expect([rest.status, json.error?.code]).toEqual([status, code]);
  }

  for (const number of numbers.slice(3)) expect(await step(service, number)).toEqual(expected[number - 1]);
  const saved = await post(service, '/checkpoint');
  expect([saved.status, saved.json]).toEqual([200, { checkpoint: 6 }]);
  for (const file of ['head.safetensors', 'centers.npy'])
    expect(readFileSync(join(folder, nameOf(6), file)).equals(readFileSync(join(bare, file))), file).toBe(true);
});

it('finishes at SIGTERM what it has begun, refuses what is new, saves and ends with 0', async () => {
  const folder = fresh('drain');
  const service = await start(folder);
  const { asked, rest } = await halfSent(service, 1);
  service.child.kill('SIGTERM');
  await until(service, ({ status, json }) => status === 503 && json['status'] === 'draining');
  const late = await post(service, '/step', batch(1));
  expect([late.status, late.json.error?.code]).toEqual([503, 'ERR_DRAINING']);
  asked.end(rest);
  const { status, body } = await answered(asked);
  expect([status, body.readDoubleLE(8)]).toEqual([200, 1]);
  expect(await service.ended).toEqual([0, null]);
  expect(readdirSync(folder)).toEqual([nameOf(1)]);
  const next = await start(folder);
  expect((await health(next)).json).toEqual({ status: 'ok', steps: 1, checkpoint: 1, checkpointFailed: false });
});

it('goes on from the last checkpoint after kill -9, with the bits that it had', async () => {
  const folder = fresh('kill');
  const answers = new Map<number, Buffer>();
  let resent = 0;
  let known = 0;
  for (let round = 0; round < 4; round++) {
    const service = await start(folder, '--every', '3');
    const { steps } = (await health(service)).json as { readonly steps: number };
    // What /health had called saved is there; a checkpoint is of a multiple of three steps, so whole; what was not saved is made again.
    expect(steps).toBeGreaterThanOrEqual(known);
    expect(steps % 3).toBe(0);
    expect(readdirSync(folder).filter((name) => name.startsWith('partial'))).toEqual([]);
    for (let number = steps + 1; number <= steps + 8; number++) {
      const answer = await step(service, number);
      if (answers.has(number)) resent++;
      expect(answer).toEqual(answers.get(number) ?? answer);
      answers.set(number, answer);
    }
    const { json } = await health(service);
    known = json['checkpoint'] as number;
    service.child.kill('SIGKILL');
    expect(await service.ended).toEqual([null, 'SIGKILL']);
    // As a kill in the middle of a save leaves it: newer than all, and torn.
    mkdirSync(join(folder, 'partial-999999999999'));
    writeFileSync(join(folder, 'partial-999999999999', 'head.safetensors'), 'torn');
  }
  expect(known).toBeGreaterThan(6);
  expect(resent).toBeGreaterThan(0);
  expect(readdirSync(folder).filter((name) => name.startsWith('step')).length).toBeLessThanOrEqual(3);
});

it('takes a bounded number of requests at once, and forgets a client that leaves in the middle', async () => {
  const service = await start(fresh('busy'), '--max-in-flight', '1');
  const { asked } = await halfSent(service, 1);
  const busy = await post(service, '/step', batch(1));
  expect([busy.status, busy.json.error?.code, busy.headers['retry-after']]).toEqual([503, 'ERR_BUSY', '1']);
  asked.on('error', () => {});
  asked.destroy();
  let retried = await post(service, '/step', batch(1));
  while (retried.status === 503) retried = await post(service, '/step', batch(1));
  expect([retried.status, retried.body.readDoubleLE(8)]).toEqual([200, 1]);
});

it('tells of a checkpoint that fails, and trains on', async () => {
  const folder = fresh('full');
  const service = await start(folder);
  await step(service, 1);
  rmSync(folder, { recursive: true });
  writeFileSync(folder, 'no folder');
  const failed = await post(service, '/checkpoint');
  expect([failed.status, failed.json.error?.code]).toEqual([500, 'ERR_CHECKPOINT']);
  expect((await health(service)).json).toEqual({ status: 'ok', steps: 1, checkpoint: 0, checkpointFailed: true });
  await step(service, 2);
  service.child.kill('SIGTERM');
  expect(await service.ended).toEqual([1, null]);
});

it('does not start without a token, nor on a checkpoint of other sizes', async () => {
  const folder = fresh('other');
  const short = run(process.execPath, argsFor(folder), program, { TRAINING_TOKEN: 'short' });
  expect([short.status, short.stderr]).toEqual([2, expect.stringContaining('TRAINING_TOKEN')]);
  expect(existsSync(folder)).toBe(false);
  const service = await start(folder);
  service.child.kill('SIGTERM');
  expect(await service.ended).toEqual([0, null]);
  const other = run(process.execPath, [...argsFor(folder), '--classes', '31'], program, { TRAINING_TOKEN: token });
  expect([other.status, other.stderr]).toEqual([1, expect.stringContaining('30 × 8')]);
});
