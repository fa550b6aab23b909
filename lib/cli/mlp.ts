// The backbone of the examples: fully connected layers with a PReLU between them, over the library's matmul.
import { type Matrix, matmul, matrix, type Random } from '../index.js';
import type { Tensor } from '../safetensors.js';
import { addToRows, prelu, preluGradient, sumOfRows } from './rows.js';

interface Layer {
  readonly weights: Matrix;
  readonly bias: Float32Array;
  /** PReLU's slope below zero, one per output; absent on the last layer. */
  readonly slope: Float32Array | undefined;
}

interface Trace {
  readonly input: Matrix;
  /** Before the PReLU. */
  readonly linear: Matrix;
}

export class Mlp {
  readonly #layers: Layer[];
  #traces: Trace[] = [];

  constructor(sizes: readonly number[], random: Random) {
    this.#layers = sizes.slice(1).map((outputs, i) => {
      const inputs = sizes[i] as number;
      // He initialisation for a PReLU that starts at 0.25.
      const deviation = Math.sqrt(2 / (inputs * (1 + 0.25 ** 2)));
      const weights = matrix(
        Float32Array.from({ length: outputs * inputs }, () => deviation * random.normal()),
        inputs,
      );
      const last = i === sizes.length - 2;
      return { weights, bias: new Float32Array(outputs), slope: last ? undefined : new Float32Array(outputs).fill(0.25) };
    });
  }

  /** Everything trained, in the order `backward` returns gradients. */
  get parameters(): Float32Array[] {
    return this.#layers.flatMap(({ weights, bias, slope }) => (slope ? [weights.data, bias, slope] : [weights.data, bias]));
  }

  /** The same by name, as files hold them: of layer i `i.weight` [outputs, inputs], `i.bias` and, but for the last, `i.slope` [outputs]. */
  tensors(): Record<string, Tensor> {
    return Object.fromEntries(
      this.#layers.flatMap(({ weights, bias, slope }, i): [string, Tensor][] => [
        [`${i}.weight`, weights],
        [`${i}.bias`, { data: bias, shape: [bias.length] }],
        ...(slope ? [[`${i}.slope`, { data: slope, shape: [slope.length] }] as [string, Tensor]] : []),
      ]),
    );
  }

  /** Embeddings [B, d]; keeps what `backward` needs. */
  forward(x: Matrix): Matrix {
    this.#traces = [];
    let input = x;
    for (const { weights, bias, slope } of this.#layers) {
      const linear = matmul(input, weights, { transposeB: true });
      addToRows(linear, bias);
      this.#traces.push({ input, linear });
      input = slope ? prelu(linear, slope) : linear;
    }
    return input;
  }

  /** Gradients of the parameters for ∂loss/∂embeddings of the last `forward`. */
  backward(gradEmbeddings: Matrix): Float32Array[] {
    const grads: Float32Array[] = [];
    let grad = gradEmbeddings;
    for (let l = this.#layers.length - 1; l >= 0; l--) {
      const { weights, slope } = this.#layers[l] as Layer;
      const { input, linear } = this.#traces[l] as Trace;
      const through = slope && preluGradient(linear, slope, grad);
      if (through) grad = through.input;
      grads.unshift(matmul(grad, input, { transposeA: true }).data, sumOfRows(grad), ...(through ? [through.slope] : []));
      // The images need no gradient.
      if (l > 0) grad = matmul(grad, weights);
    }
    return grads;
  }
}
