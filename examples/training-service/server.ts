// The program: options, start, signals. README.md says how to use it.
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { Service } from './service.js';
import { TrainingThread } from './thread.js';

const { values } = parseArgs({
  options: {
    classes: { type: 'string' },
    dim: { type: 'string' },
    folder: { type: 'string' },
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '8471' },
    every: { type: 'string', default: '100' },
    'max-bytes': { type: 'string', default: String(2 ** 24) },
    'max-in-flight': { type: 'string', default: '8' },
    seed: { type: 'string', default: '0' },
    'learning-rate': { type: 'string', default: '0.1' },
    'center-weight': { type: 'string', default: '0.003' },
  },
});

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

function number(name: keyof typeof values, min: number, whole = true): number {
  const value = Number(values[name] ?? fail(`--${name} is missing`));
  if (!(value >= min && Number.isFinite(value)) || (whole && !Number.isSafeInteger(value)))
    fail(`--${name}: expected ${whole ? 'an integer' : 'a number'} of at least ${min}, got ${values[name]}`);
  return value;
}

// Not an argument: those can be seen by every user of the machine.
const token = process.env['TRAINING_TOKEN'] ?? '';
if (!/^\S{16,}$/.test(token)) fail('TRAINING_TOKEN: expected at least 16 characters without spaces');

const training = {
  classes: number('classes', 1),
  dim: number('dim', 1),
  seed: number('seed', 0),
  learningRate: number('learning-rate', 0, false),
  centerWeight: number('center-weight', 0, false),
  folder: values.folder ?? fail('--folder is missing'),
  every: number('every', 1),
};
// What the thread held is lost; a supervisor's restart goes on from the last checkpoint.
const thread = await TrainingThread.start(training, (error) => {
  console.error(error);
  process.exit(1);
});
const service = new Service(thread, { token, maxBytes: number('max-bytes', 1), maxInFlight: number('max-in-flight', 1) });

let stopping = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    service.drain().then((saved) => process.exit(saved ? 0 : 1));
  });

service.server.listen(number('port', 0), values.host, () => {
  const { address, family, port } = service.server.address() as AddressInfo;
  console.log(`listening on http://${family === 'IPv6' ? `[${address}]` : address}:${port} at step ${thread.steps}`);
});
service.server.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
