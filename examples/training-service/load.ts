// Steps per second of the service beside a loop over head and centers without one, in turns in one run, and how long a health check takes meanwhile.
// Ratios are what to read: a machine that others use moves both alike. The client computes on the same cores, and autocannon reads every answer as text, which
// costs more than twice what a client of node:http takes (`--client http`): a service whose client is elsewhere has all cores to itself.
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
import { encodeBatch } from './protocol.js';

const { values } = parseArgs({
  options: {
    classes: { type: 'string', default: '10000' },
    dim: { type: 'string', default: '512' },
    batch: { type: 'string', default: '128' },
    connections: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    // `http`: requests of node:http, which leave the answers' bytes alone.
    client: { type: 'string', default: 'autocannon' },
    // By default none while it is measured, as the bare loop has none.
    every: { type: 'string', default: '1000000' },
  },
});
const [classes, dim, size, connections, rounds, seconds] = (
  [values.classes, values.dim, values.batch, values.connections, values.rounds, values.seconds] as const
).map(Number) as [number, number, number, number, number, number];

const random = createRandom(1);
const x = matrix(
  Float32Array.from({ length: size * dim }, () => random.normal()),
  dim,
);
const labels = Int32Array.from({ length: size }, () => random.integer(classes));
const token = Buffer.from(Float64Array.from({ length: 4 }, Math.random).buffer).toString('hex');
const folder = mkdtempSync(join(tmpdir(), 'training-load-'));

async function startService(): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const server = join(import.meta.dirname, 'server.js');
  const args = [server, '--classes', `${classes}`, '--dim', `${dim}`, '--folder', folder, '--port', '0', '--every', values.every];
  const child = spawn(process.execPath, args, { env: { ...process.env, TRAINING_TOKEN: token }, stdio: ['ignore', 'pipe', 'inherit'] });
  const [text] = await once(child.stdout, 'data');
  const url = /http:\S+/.exec(String(text))?.[0];
  if (url === undefined) throw new Error(`the service said: ${text}`);
  return { child, url };
}

const optimizer = sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 5e-4 });
const head = new ClassifierHead({ classes, dim, margin: arcFace(), optimizer });
const centers = new Centers({ classes, dim });

function bareStep(): void {
  const { gradEmbeddings } = head.step(x, labels);
  const center = centers.loss(x, labels);
  centers.update(x, labels);
  const [sum, term] = [gradEmbeddings.data, center.gradEmbeddings.data];
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + 0.003 * (term[i] as number);
}

interface Rate {
  /** Steps per second. */
  readonly rate: number;
  /** Milliseconds of the process's CPU time a step, which other programs on the machine disturb less. NaN where the system does not tell. */
  readonly cpu: number;
}

function bareRate(): Rate {
  const before = process.cpuUsage();
  const start = performance.now();
  let steps = 0;
  while (performance.now() - start < 1000 * seconds) {
    bareStep();
    steps++;
  }
  const { user, system } = process.cpuUsage(before);
  return { rate: (1000 * steps) / (performance.now() - start), cpu: (user + system) / 1000 / steps };
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

const headers = { authorization: `Bearer ${token}` };
const body = Buffer.from(encodeBatch({ x, labels }));

function checkAll({ non2xx, errors }: autocannon.Result): void {
  if (non2xx + errors > 0) throw new Error(`${non2xx} requests were refused, ${errors} failed`);
}

async function autocannonLoad(url: string): Promise<number> {
  const result = await autocannon({ url, method: 'POST', connections, duration: seconds, headers, body });
  checkAll(result);
  return result['2xx'] / result.duration;
}

async function plainLoad(url: string): Promise<number> {
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

/** Both at once; the checks from a thread of their own, so that they do not measure this one's work. (Buffers do not reach autocannon's workers.) */
async function serviceRate(pid: number, url: string): Promise<Rate & { readonly p99: number; readonly checks: number }> {
  const before = [cpuOf(pid), await stepsOf(url)] as const;
  const [rate, checks] = await Promise.all([
    values.client === 'http' ? plainLoad(`${url}/step`) : autocannonLoad(`${url}/step`),
    autocannon({ url: `${url}/health`, connections: 1, overallRate: 100, duration: seconds, workers: 1 }),
  ]);
  checkAll(checks);
  // What was on its way at the end is still computed: not beside the bare loop.
  await sleep(500);
  const cpu = (cpuOf(pid) - before[0]) / ((await stepsOf(url)) - before[1]);
  return { rate, cpu, p99: checks.latency.p99, checks: checks['2xx'] };
}

const median = (of: readonly number[]): number => [...of].sort((a, b) => a - b)[of.length >> 1] as number;

const { child, url } = await startService();
try {
  console.log(`${size} × ${dim} rows, ${classes} classes, backend ${info().backend}, ${connections} connections of ${values.client}`);
  // Both warmed: memory touched, functions compiled.
  bareRate();
  await serviceRate(child.pid as number, url);
  const ratios: number[] = [];
  const cpuRatios: number[] = [];
  const slowest: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const bare = bareRate();
    const service = await serviceRate(child.pid as number, url);
    ratios.push(service.rate / bare.rate);
    cpuRatios.push(bare.cpu / service.cpu);
    slowest.push(service.p99);
    const rates = `bare ${bare.rate.toFixed(1)} steps/s, service ${service.rate.toFixed(1)}: ${(service.rate / bare.rate).toFixed(3)}`;
    const byCpu = `by CPU time ${(bare.cpu / service.cpu).toFixed(3)}`;
    console.log(`round ${round}: ${rates}, ${byCpu}; p99 of ${service.checks} health checks ${service.p99} ms`);
  }
  console.log(`medians: ratio ${median(ratios).toFixed(3)}, by CPU time ${median(cpuRatios).toFixed(3)}, p99 ${median(slowest)} ms`);
} finally {
  child.kill('SIGTERM');
  await once(child, 'close');
  rmSync(folder, { recursive: true });
}
