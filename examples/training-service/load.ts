// Steps per second of the service beside a loop over head and centers without one, in turns in one run, and how long a health check takes while steps run:
// a line of a table for each number of classes and rows. Ratios are what to read: a machine that others use moves both alike. The client computes on the
// same cores, and autocannon reads every answer as text, which costs more than twice what a client of node:http takes (`--client http`): a service whose client
// is elsewhere has all cores to itself. The health checks too have a client that computes, so the steps are counted without them, and then once more with them.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { arcFace, Centers, ClassifierHead, createRandom, info, matrix, sgd } from 'hypersphere';
import { type Batch, encodeBatch } from './protocol.js';

const { values } = parseArgs({
  options: {
    // Both may be lists: 10000,100000.
    classes: { type: 'string', default: '10000' },
    batch: { type: 'string', default: '128' },
    dim: { type: 'string', default: '512' },
    connections: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    // `http`: requests of node:http, which leave the answers' bytes alone.
    client: { type: 'string', default: 'autocannon' },
    // By default none while it is measured, as the bare loop has none.
    every: { type: 'string', default: '1000000' },
  },
});
const [dim, connections, rounds, seconds] = ([values.dim, values.connections, values.rounds, values.seconds] as const).map(Number) as [
  number,
  number,
  number,
  number,
];
const token = Buffer.from(Float64Array.from({ length: 4 }, Math.random).buffer).toString('hex');
const headers = { authorization: `Bearer ${token}` };

interface Service {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly url: string;
}

async function startService(classes: number, folder: string): Promise<Service> {
  const server = join(import.meta.dirname, 'server.js');
  const args = [server, '--classes', `${classes}`, '--dim', `${dim}`, '--folder', folder, '--port', '0', '--every', values.every];
  const child = spawn(process.execPath, args, { env: { ...process.env, TRAINING_TOKEN: token }, stdio: ['ignore', 'pipe', 'inherit'] });
  const [text] = await once(child.stdout, 'data');
  const url = /http:\S+/.exec(String(text))?.[0];
  if (url === undefined) throw new Error(`the service said: ${text}`);
  return { child, pid: child.pid as number, url };
}

function drawBatch(rows: number, classes: number): Batch {
  const random = createRandom(1);
  const x = matrix(
    Float32Array.from({ length: rows * dim }, () => random.normal()),
    dim,
  );
  return { x, labels: Int32Array.from({ length: rows }, () => random.integer(classes)) };
}

/** The trainer's step without a service around it. */
function bareLoop(classes: number, { x, labels }: Batch): () => void {
  const optimizer = sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 5e-4 });
  const head = new ClassifierHead({ classes, dim, margin: arcFace(), optimizer });
  const centers = new Centers({ classes, dim });
  return () => {
    const { gradEmbeddings } = head.step(x, labels);
    const center = centers.loss(x, labels);
    centers.update(x, labels);
    const [sum, term] = [gradEmbeddings.data, center.gradEmbeddings.data];
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + 0.003 * (term[i] as number);
  };
}

/** Milliseconds of this process's CPU time. */
function ownCpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

interface Rate {
  /** Steps per second. */
  readonly rate: number;
  /** Milliseconds of the training process's CPU time a step, which other programs on the machine disturb less. NaN where the system does not tell. */
  readonly cpu: number;
}

function bareRate(step: () => void): Rate {
  const before = ownCpu();
  const start = performance.now();
  let steps = 0;
  while (performance.now() - start < 1000 * seconds) {
    step();
    steps++;
  }
  return { rate: (1000 * steps) / (performance.now() - start), cpu: (ownCpu() - before) / steps };
}

/** Milliseconds that another process has used, all its threads together: Linux counts them in hundredths of a second. */
function cpuOf(pid: number): number {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return Number.NaN;
  const fields = readFileSync(file, 'utf8').replace(/.*\) /, '').split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

async function stepsOf(url: string): Promise<number> {
  const health = (await (await fetch(`${url}/health`)).json()) as { readonly steps: number };
  return health.steps;
}

function checkAll({ non2xx, errors }: autocannon.Result): void {
  if (non2xx + errors > 0) throw new Error(`${non2xx} requests were refused, ${errors} failed`);
}

async function autocannonLoad(url: string, body: Buffer): Promise<number> {
  const result = await autocannon({ url, method: 'POST', connections, duration: seconds, headers, body });
  checkAll(result);
  return result['2xx'] / result.duration;
}

async function plainLoad(url: string, body: Buffer): Promise<number> {
  const start = performance.now();
  let steps = 0;
  const connection = async (): Promise<void> => {
    const agent = new Agent({ keepAlive: true });
    while (performance.now() - start < 1000 * seconds) {
      const asked = request(url, { method: 'POST', agent, headers: { ...headers, 'content-length': body.length } });
      asked.end(body);
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      if (response.statusCode !== 200) throw new Error(`a step was answered ${response.statusCode}`);
      response.resume();
      await once(response, 'end');
      steps++;
    }
    agent.destroy();
  };
  await Promise.all(Array.from({ length: connections }, connection));
  return (1000 * steps) / (performance.now() - start);
}

interface ServiceRate extends Rate {
  /** Milliseconds of this process's CPU time a step: the client's. */
  readonly clientCpu: number;
}

async function serviceRate({ pid, url }: Service, body: Buffer): Promise<ServiceRate> {
  const [cpu, steps, own] = [cpuOf(pid), await stepsOf(url), ownCpu()];
  const rate = await (values.client === 'http' ? plainLoad : autocannonLoad)(`${url}/step`, body);
  // What was on its way at the end is still computed: not beside the bare loop.
  await sleep(500);
  const made = (await stepsOf(url)) - steps;
  return { rate, cpu: (cpuOf(pid) - cpu) / made, clientCpu: (ownCpu() - own) / made };
}

/** From a thread of their own, so that they do not measure this one's work. (Buffers do not reach autocannon's workers, so that the steps stay here.) */
async function healthChecks({ url }: Service): Promise<autocannon.Result> {
  const checks = await autocannon({ url: `${url}/health`, connections: 1, overallRate: 100, duration: seconds, workers: 1 });
  checkAll(checks);
  return checks;
}

const median = (of: readonly number[]): number => [...of].sort((a, b) => a - b)[of.length >> 1] as number;
const columns = [
  'rows',
  'classes',
  'bare steps/s',
  'ratio',
  'by CPU, service',
  'by CPU, service and client',
  'ratio with checks',
  'p99 of checks, ms',
];

async function measure(classes: number, rows: number): Promise<void> {
  const batch = drawBatch(rows, classes);
  const body = Buffer.from(encodeBatch(batch));
  const step = bareLoop(classes, batch);
  const folder = mkdtempSync(join(tmpdir(), 'training-load-'));
  const service = await startService(classes, folder);
  try {
    // Both warmed: memory touched, functions compiled.
    bareRate(step);
    await Promise.all([serviceRate(service, body), healthChecks(service)]);
    const found: number[][] = [];
    for (let round = 0; round < rounds; round++) {
      const bare = bareRate(step);
      const alone = await serviceRate(service, body);
      const [checked, checks] = await Promise.all([serviceRate(service, body), healthChecks(service)]);
      const byCpu = [bare.cpu / alone.cpu, bare.cpu / (alone.cpu + alone.clientCpu)];
      found.push([bare.rate, alone.rate / bare.rate, ...byCpu, checked.rate / bare.rate, checks.latency.p99]);
    }
    const of = (i: number): number[] => found.map((row) => row[i] as number);
    const ratio = (i: number): string => median(of(i)).toFixed(2);
    const range = `${Math.min(...of(1)).toFixed(2)} to ${Math.max(...of(1)).toFixed(2)}`;
    const cells = [rows, classes, median(of(0)).toFixed(1), `${ratio(1)} (${range})`, ratio(2), ratio(3), ratio(4), median(of(5))];
    console.log(`| ${cells.join(' | ')} |`);
  } finally {
    service.child.kill('SIGTERM');
    await once(service.child, 'close');
    rmSync(folder, { recursive: true });
  }
}

const list = (text: string): number[] => text.split(',').map(Number);
console.log(
  `medians of ${rounds} rounds of ${seconds} s; ${dim} numbers a row, backend ${info().backend}, ${connections} connections of ${values.client}`,
);
console.log(`| ${columns.join(' | ')} |\n|${columns.map(() => '---|').join('')}`);
for (const classes of list(values.classes)) for (const rows of list(values.batch)) await measure(classes, rows);
