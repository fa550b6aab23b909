// What ptxas -v says, by kernel.

/**
 * Registers and spilled bytes of each kernel, from what follows its name: its own line of spills and, after its registers, one for each function that
 * it calls. What is not said is NaN or undefined.
 */
export function kernelsIn(said) {
  const kernels = new Map();
  let current;
  for (const line of said.split('\n')) {
    const name = /Compiling entry function '(\w+)'/.exec(line);
    if (name) kernels.set(name[1], (current = { spilled: undefined, registers: Number.NaN }));
    const spilled = /(\d+) bytes spill stores/.exec(line);
    if (spilled && current) current.spilled = (current.spilled ?? 0) + Number(spilled[1]);
    const used = /Used (\d+) registers/.exec(line);
    if (used && current) current.registers = Number(used[1]);
  }
  return kernels;
}
