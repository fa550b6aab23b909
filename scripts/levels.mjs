// The levels that the addon and this CPU have, one a line; from the library compiled to .build by an earlier step.
import { pathToFileURL } from 'node:url';

const { setIsa } = await import(pathToFileURL('.build/lib/index.js').href);
for (const level of ['baseline', 'avx2', 'avx512', 'neon']) {
  try {
    setIsa(level);
    console.log(level);
  } catch (error) {
    if (error.code !== 'ERR_NO_DEVICE') throw error;
  }
}
