/** Adam (Kingma and Ba 2015, algorithm 1) over a fixed list of parameter arrays, in place. */
export class Adam {
  readonly #moments: { first: Float32Array; second: Float32Array }[];
  #step = 0;

  constructor(
    readonly parameters: readonly Float32Array[],
    readonly rate = 1e-3,
  ) {
    this.#moments = parameters.map((p) => ({ first: new Float32Array(p.length), second: new Float32Array(p.length) }));
  }

  step(gradients: readonly Float32Array[]): void {
    const [beta1, beta2] = [0.9, 0.999];
    this.#step++;
    const rate = (this.rate * Math.sqrt(1 - beta2 ** this.#step)) / (1 - beta1 ** this.#step);
    // The paper's remark before §2.1: the same update with ε̂ in place of the bias-corrected ε.
    const eps = 1e-8 * Math.sqrt(1 - beta2 ** this.#step);
    this.parameters.forEach((parameter, i) => {
      const { first, second } = this.#moments[i] as { first: Float32Array; second: Float32Array };
      const gradient = gradients[i] as Float32Array;
      for (let k = 0; k < parameter.length; k++) {
        const g = gradient[k] as number;
        const m = beta1 * (first[k] as number) + (1 - beta1) * g;
        const v = beta2 * (second[k] as number) + (1 - beta2) * g * g;
        first[k] = m;
        second[k] = v;
        parameter[k] = (parameter[k] as number) - (rate * m) / (Math.sqrt(v) + eps);
      }
    });
  }
}
