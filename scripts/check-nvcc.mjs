// npm run check:nvcc: the CUDA kernels by NVIDIA's compiler, beside clang, whose PTX is what is shipped (build-ptx.mjs). Fails where it does not
// take a source, where a kernel of the module is not reported, and where one needs more registers or spills more than allowed.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { kernelsIn } from './ptxas-report.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
// Two blocks of 256 threads share the registers of a processor.
const mostRegisters = 128;
/** With the bytes that this compiler, nvcc 13.0, stores beside its registers, where clang's PTX does without, and kernels of more registers. */
const builds = [
  { source: 'module.cu', names: 'kernels.def', arch: 'sm_75', spilled: { multiply_to_logits: 56 }, registers: { multiply_onto: 132 } },
  {
    source: 'module.cu',
    names: 'kernels.def',
    arch: 'sm_80',
    spilled: { multiply_to_logits: 56, softmax_backward: 28 },
    registers: { multiply_onto: 132 },
  },
  {
    source: 'fast_module.cu',
    names: 'fast_kernels.def',
    arch: 'sm_80',
    spilled: {},
    registers: { fast_multiply: 216, fast_multiply_to_logits: 254, fast_distances: 140, fast_candidates: 140 },
  },
];
const flags = [
  ...['-std=c++17', '-O3', '-fmad=false', '-Xptxas', '-v', '--expt-relaxed-constexpr'],
  // Functions of a header that a kernel does not use; pragmas of clang and of GCC.
  ...['-diag-suppress', '177,20199,1675', '-cubin', '-o', '/dev/null'],
];

/** What the compiler says. */
function compile({ source, arch }) {
  return new Promise((resolve, reject) => {
    const compiler = spawn('nvcc', [...flags, `-arch=${arch}`, `native/cuda/${source}`], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    compiler.stderr.setEncoding('utf8').on('data', (text) => (said += text));
    compiler.on('error', reject);
    compiler.on('close', (status) =>
      status === 0 ? resolve(said) : reject(new Error(`${said}nvcc does not compile ${source} for ${arch}`)),
    );
  });
}

/** One sentence for each fault of a build. */
async function faultsOf(build) {
  const { source, arch } = build;
  const list = readFileSync(new URL(`../native/cuda/${build.names}`, import.meta.url), 'utf8');
  const names = Array.from(list.matchAll(/^KERNEL\((\w+)\)$/gm), ([, name]) => name);
  const kernels = kernelsIn(await compile(build));
  const faults = [];
  for (const name of names) {
    const { spilled, registers } = kernels.get(name) ?? {};
    // Not reported is NaN or undefined, and neither is within a bound.
    if (!(registers <= (build.registers[name] ?? mostRegisters))) faults.push(`${arch}: ${name} has ${registers} registers`);
    if (!(spilled <= (build.spilled[name] ?? 0))) faults.push(`${arch}: ${name} spills ${spilled} bytes`);
  }
  const most = Math.max(...Array.from(kernels.values(), ({ registers }) => registers));
  console.log(`nvcc compiles the ${names.length} kernels of ${source} for ${arch}, at most ${most} registers a thread`);
  return faults;
}

try {
  const wrong = (await Promise.all(builds.map(faultsOf))).flat();
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
