// npm run check:nvcc: the CUDA kernels by NVIDIA's compiler, beside clang, whose PTX is what is shipped (build-ptx.mjs). Fails where it does not
// take a source, where a kernel of kernels.def is not reported, and where one needs more registers or spills more than allowed.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
// A thread cannot have more.
const mostRegisters = 255;
// Bytes that this compiler, nvcc 13.0, stores beside its registers, where clang's PTX does without.
const knownSpills = { sm_75: { multiply_to_logits: 56 }, sm_80: { multiply_to_logits: 56, softmax_backward: 28 } };
const flags = [
  ...['-std=c++17', '-O3', '-fmad=false', '-Xptxas', '-v', '--expt-relaxed-constexpr'],
  // Functions of a header that a kernel does not use; pragmas of clang.
  ...['-diag-suppress', '177,20199', '-cubin', '-o', '/dev/null'],
];

/** Registers and spilled bytes of each kernel, from what ptxas says of it after naming it. */
function report(arch) {
  const { status, error, stderr } = spawnSync('nvcc', [...flags, `-arch=${arch}`, 'native/cuda/module.cu'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0) {
    console.error(error?.message ?? stderr);
    console.error(`nvcc does not compile the kernels for ${arch}`);
    process.exit(1);
  }
  const kernels = new Map();
  let current;
  for (const line of stderr.split('\n')) {
    const name = /Compiling entry function '(\w+)'/.exec(line);
    if (name) kernels.set(name[1], (current = { spilled: Number.NaN, registers: Number.NaN }));
    const spilled = /(\d+) bytes spill stores/.exec(line);
    if (spilled && current) current.spilled = Number(spilled[1]);
    const used = /Used (\d+) registers/.exec(line);
    if (used && current) current.registers = Number(used[1]);
  }
  return kernels;
}

const names = [...readFileSync(new URL('../native/cuda/kernels.def', import.meta.url), 'utf8').matchAll(/^KERNEL\((\w+)\)$/gm)].map(
  ([, name]) => name,
);
const wrong = [];
for (const [arch, allowed] of Object.entries(knownSpills)) {
  const kernels = report(arch);
  for (const name of names) {
    const { spilled, registers } = kernels.get(name) ?? {};
    // Not reported is NaN or undefined, and neither is within a bound.
    if (!(registers <= mostRegisters)) wrong.push(`${arch}: ${name} has ${registers} registers`);
    if (!(spilled <= (allowed[name] ?? 0))) wrong.push(`${arch}: ${name} spills ${spilled} bytes`);
  }
  const most = Math.max(...[...kernels.values()].map(({ registers }) => registers));
  console.log(`nvcc compiles ${names.length} kernels for ${arch}, at most ${most} registers a thread`);
}
if (wrong.length > 0) {
  console.error(wrong.join('\n'));
  process.exit(1);
}
