// Which device the vectors run on: the driver that is named or found, else the stand-in, which is built.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CudaInfo } from '../../lib/index.js';

/** What a process of its own finds: this one could not look again. */
function found(): CudaInfo {
  const library = new URL('../../lib/index.js', import.meta.url).href;
  const tell = `import { info } from ${JSON.stringify(library)}; console.log(JSON.stringify(info().cuda));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', tell], { encoding: 'utf8' });
  return stdout ? JSON.parse(stdout) : { available: false, reason: stderr };
}

/** Names the stand-in for this process where there is no driver and none is named. False where it cannot be built. */
export function nameStandIn(): boolean {
  if (process.env['HYPERSPHERE_CUDA_DRIVER']) return true;
  const { available, reason } = found();
  if (available) return true;
  console.log(`${reason}; the stand-in serves`);
  // From .build/test/vectors.
  const script = fileURLToPath(new URL('../../../scripts/stand-in.mjs', import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  const path = stdout.trim().split('\n').at(-1);
  if (status !== 0 || !path) return false;
  process.env['HYPERSPHERE_CUDA_DRIVER'] = path;
  return true;
}
