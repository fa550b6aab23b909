// Tests on a device: scripts/test-cuda.mjs names the driver, which may be a real one, and the stand-in, which fails when asked to.
import { runChild } from './child.js';

function named(variable: string): string {
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} is not set: npm run test:cuda runs these tests`);
  return value;
}

export const driver = named('HYPERSPHERE_CUDA_DRIVER');
const standIn = named('HYPERSPHERE_STAND_IN');

// `tell` ends the program's part; an error of the library becomes what a test compares.
const prelude = `
  import * as hs from 'hypersphere';
  import * as off from 'hypersphere/promises';
  const plain = ({ code, argument, received, name }) => ({ code, argument, received, name });
  const attempt = (run) => { try { return run(); } catch (error) { return plain(error); } };
  const rows = (n, d) => hs.matrix(Float32Array.from({ length: n * d }, (_, i) => Math.sin(i + 1)), d);
  const same = (a, b) => Buffer.from(a.data.buffer).equals(Buffer.from(b.data.buffer));
  const on = (backend, run) => { hs.setBackend(backend); return run(); };
  const tell = (value) => console.log(JSON.stringify(value));
`;

/** Runs a program in which `cuda` is the backend, on the driver or on the stand-in with these settings, and returns what it tells. */
export async function onDevice(code: string, settings?: Readonly<Record<string, string | number>>) {
  const set = Object.entries(settings ?? {}).map(([name, value]) => [`HYPERSPHERE_SIMT_${name}`, String(value)]);
  const env = { HYPERSPHERE_BACKEND: 'cuda', HYPERSPHERE_CUDA_DRIVER: settings ? standIn : driver, ...Object.fromEntries(set) };
  const { end, stdout, stderr } = await runChild(prelude + code, { env });
  if (end !== 0) throw new Error(`ended with ${end}: ${stdout}\n${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1) as string);
}
