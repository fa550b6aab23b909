// The declarations name Symbol.dispose, which the default library of many consumers lacks.
/// <reference lib="esnext.disposable" preserve="true" />
import {
  checkInteger,
  checkMatrix,
  checkMatrixOf,
  checkMemory,
  checkOptions,
  checkOut,
  checkPath,
  checkSignal,
  type Labels,
} from '../checks.js';
import { failure } from '../errors.js';
import { outputOf, zeros } from '../fresh.js';
import type { Margin } from '../margins/types.js';
import type { Bfloat16Matrix, IndexMatrix, Matrix } from '../matrix.js';
import { type LoadOptions, loadState, saveState } from './head-file.js';
import { type ClassifierHeadOptions, mostClasses, type Shard } from './head-options.js';
import { bestOf, fillLogits, mergeBest } from './head-scores.js';
import { checkGroup, createState, HeadState } from './head-state.js';
import { checkBatch, runPass, updateBias, updateOf } from './head-step.js';
import { checkLearningRate } from './optimizers.js';
import { gatherBatch, together } from './sharding.js';

export interface ForwardBackwardOptions {
  /** Memory for the gradients, apart from the inputs, the weights and one another. */
  readonly out?: { readonly gradEmbeddings?: Matrix; readonly gradWeights?: Matrix };
}

export interface ForwardBackwardResult {
  /** Mean over the rows that count, of all ranks. */
  readonly loss: number;
  /** Of the own rows, [B]. */
  readonly perExample: Float32Array;
  /** Of `loss` by the own rows, [B, D]. */
  readonly gradEmbeddings: Matrix;
  /** Of `loss` by the weights that this head owns, shaped as `weights`, in float32. */
  readonly gradWeights: Matrix;
  /** With `sphereFace2` only, [1]. */
  readonly gradBias?: Float32Array;
}

export interface StepOptions {
  /** In place of the optimizer's, for schedules; > 0. */
  readonly learningRate?: number;
  /** Memory for the gradient, apart from the inputs and the weights. */
  readonly out?: { readonly gradEmbeddings?: Matrix };
}

export interface StepResult {
  /** Mean over the rows that count, of all ranks, at the weights before the step. */
  readonly loss: number;
  /** magFace's regulariser, before lambdaG: a part of the loss. Else 0. */
  readonly regularizer: number;
  /** Of the own rows, [B]. */
  readonly perExample: Float32Array;
  /** Of `loss` by the own rows, [B, D]: what the network goes on with. */
  readonly gradEmbeddings: Matrix;
  /** How many classes took part, of all shards. */
  readonly sampledClasses: number;
}

export interface Predictions {
  /** Best first, [B, k]. */
  readonly classes: IndexMatrix;
  /** As `logits` has them, [B, k]. */
  readonly scores: Matrix;
}

/**
 * The last layer of a classifier with a margin, as an object that owns its weights: row c·K + j is center j of class c (K = 1 but for sub-centers
 * and SoftTriple). A step moves them in place by a fused optimizer: neither batch × classes nor a dense weight gradient is ever held, so a
 * million classes take their weights, the optimizer's state and `workspaceBytes`.
 *
 * One head's rows are one typed array, which ends at some 2³² elements: ten million classes of 512 numbers are ERR_OUT_OF_MEMORY, and a case for shards.
 *
 * Initial weights: N(0, 0.01²), insightface's, where the margin normalises rows and weights; U(±√(3/D)), Caffe's xavier, for `softmax`, `lSoftmax`
 * and `aSoftmax`. The rows of a class depend on the seed and its number alone. There is no bias, but for SphereFace2's single one.
 *
 * With `sampleRate` r < 1 a step sees the classes of its batch and a uniform choice of others, round(r·C) in all (or the batch's alone, where
 * they are more), drawn from seed and step number; the rows of all others and their momentum stay untouched, where the code of Partial FC v2
 * decays them. One that keeps all classes equals full softmax to the bit.
 *
 * With a `collective` several heads, one a rank, are shards of one. `step`, `forwardBackward`, `predict`, `grow`, the constructor and `load` are then calls
 * that all ranks make together; where one rank throws, all do (ERR_ABORTED) before any weight moves; only a GPU that is lost in the second
 * half of one rank's step is met when others may have moved: their group is then of no use, so load the last save. Gradients are those of the mean over all
 * ranks' rows; insightface multiplies the embeddings' by the number of ranks, for a data-parallel network that averages.
 *
 * With `device: 'cuda'` weights and optimizer state stay in the GPU's memory: a step sends the batch, and fetches losses and the embeddings' gradient.
 * `weights` brings them to the host, `save` brings both, `grow` brings both and sends them back. `dispose()` (or `using`) gives the memory back at once, to this process's next calls on the device, else
 * it goes with the object. A GPU without room is ERR_OUT_OF_MEMORY, and the head is as it was before the call. Once the GPU is lost, every call that
 * needs it is ERR_NO_DEVICE: what the head had there is gone, and a new one starts from its last `save`.
 *
 * The Partial FC paper: An et al., CVPR 2022 (arXiv 2203.15565).
 */
export class ClassifierHead {
  #state: HeadState | undefined;
  #saves = 0;

  /** @throws ERR_TYPE, ERR_OPTION_RANGE, ERR_OUT_OF_MEMORY; with a device ERR_NO_DEVICE, with a collective ERR_ABORTED */
  constructor(options: ClassifierHeadOptions);
  constructor(options: ClassifierHeadOptions | HeadState) {
    this.#state = options instanceof HeadState ? options : createState(options);
  }

  /** C, of all shards together. */
  get classes(): number {
    return this.#live().classes;
  }

  /** D */
  get dim(): number {
    return this.#live().settings.dim;
  }

  /** The classes [from, to) that this head owns. */
  get shard(): Shard {
    return this.#live().shard;
  }

  /** Steps made, those before a save included. */
  get steps(): number {
    return this.#live().steps;
  }

  /** The margin of the next step: with its λ, and with what it carries from batch to batch. */
  get margin(): Margin {
    return this.#live().nextMargin();
  }

  /**
   * The rows that this head owns, [(to − from)·K, D], in the head's own memory until it grows: what you write there, the next call uses. With
   * `device: 'cuda'` they are read back when asked for, once between two calls of the head, into an array that is the head's until the next
   * of `step`, `forwardBackward`, `logits`, `predict` or `grow`, which takes what you have written back to the device; then it is yours, a copy of what was.
   */
  get weights(): Matrix | Bfloat16Matrix {
    const state = this.#live();
    const data = state.rows.lend();
    return { data, shape: [state.rows.count, state.settings.dim] } as Matrix | Bfloat16Matrix;
  }

  /** SphereFace2's, [1]; undefined for all other margins. */
  get bias(): Float32Array | undefined {
    return this.#live().bias;
  }

  /**
   * Loss and all gradients over all classes, `sampleRate` aside; nothing moves. For optimizers of your own: O(B·C·D), and the gradient
   * is as large as the weights. bfloat16 weights are widened for it, another copy of that size.
   * @param x [B, D], not normalised: the margin normalises what its paper does
   * @param labels [B] in [0, C), or −100 for rows that count nowhere
   * @throws ERR_TYPE, ERR_DETACHED, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS, ERR_OUT_OF_MEMORY; ERR_DETACHED after `dispose`;
   * with a collective also ERR_ABORTED
   */
  forwardBackward(x: Matrix, labels: Labels, options: ForwardBackwardOptions = {}): ForwardBackwardResult {
    const state = this.#live();
    const { dim } = state.settings;
    let gradEmbeddings: Matrix | undefined;
    let gradWeights: Matrix | undefined;
    const prepare = () => {
      const batch = checkBatch(state, x, labels);
      const out = checkOut(checkOptions(options, ['out']).out, ['gradEmbeddings', 'gradWeights']);
      gradEmbeddings = given('gradEmbeddings', out.gradEmbeddings, batch.n, dim);
      gradWeights = given('gradWeights', out.gradWeights, (state.shard.to - state.shard.from) * state.centers, dim);
      checkMemory(
        { 'options.out.gradEmbeddings': gradEmbeddings, 'options.out.gradWeights': gradWeights },
        { x: batch.matrix, labels: batch.labels, ...state.memory },
      );
      return { ...batch, gradX: gradEmbeddings.data };
    };
    const gradBias = state.bias && new Float32Array(1);
    const { loss, perExample } = runPass(state, prepare, () => ({
      margin: state.nextMargin(),
      run: state.rows.pass(false),
      sample: false,
      gradWeights: (gradWeights as Matrix).data,
      gradBias,
    }));
    const gradients = { gradEmbeddings: gradEmbeddings as unknown as Matrix, gradWeights: gradWeights as unknown as Matrix };
    return { loss, perExample, ...gradients, ...(gradBias && { gradBias }) };
  }

  /**
   * One training step: the loss, its gradient by the embeddings, and the weights moved in place by the optimizer. What a margin carries (AdaFace's
   * mean and deviation, CurricularFace's t, λ) moves on. O(B·C·r·D) for sample rate r. An error leaves everything as it was,
   * but a GPU that is lost amid a step may leave host weights moved in part, where `workspaceBytes` takes the classes in several runs, and `out`
   * written in part.
   * @param x [B, D], not normalised: the margin normalises what its paper does
   * @param labels [B] in [0, C), or −100 for rows that count nowhere
   * @throws ERR_TYPE, ERR_DETACHED, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS, ERR_OUT_OF_MEMORY; ERR_BUSY during a save,
   * ERR_DETACHED after `dispose`; with a collective also ERR_ABORTED
   */
  step(x: Matrix, labels: Labels, options: StepOptions = {}): StepResult {
    const state = this.#live();
    let gradEmbeddings: Matrix | undefined;
    let learningRate: number | undefined;
    const prepare = () => {
      this.#checkIdle();
      const batch = checkBatch(state, x, labels);
      const { out, ...rest } = checkOptions(options, ['learningRate', 'out']);
      if (rest.learningRate !== undefined) learningRate = checkLearningRate(rest.learningRate);
      const { gradEmbeddings: matrix } = checkOut(out, ['gradEmbeddings']);
      gradEmbeddings = given('gradEmbeddings', matrix, batch.n, state.settings.dim);
      checkMemory({ 'options.out.gradEmbeddings': gradEmbeddings, ...state.memory }, { x: batch.matrix, labels: batch.labels });
      return { ...batch, gradX: gradEmbeddings.data };
    };
    const gradBias = state.bias && new Float32Array(1);
    const passed = runPass(state, prepare, () => ({
      margin: state.nextMargin(),
      run: state.rows.pass(true),
      sample: true,
      gradBias,
      update: updateOf(state, learningRate),
    }));
    if (gradBias) updateBias(state.bias as Float32Array, state.biasMoments, gradBias[0] as number, updateOf(state, learningRate).rule);
    state.advance(passed.state);
    const { loss, regularizer, perExample, classes } = passed;
    return { loss, regularizer, perExample, gradEmbeddings: gradEmbeddings as unknown as Matrix, sampledClasses: classes };
  }

  /**
   * Scores without a margin, [B, to − from], of the classes that this head owns: x·w for `softmax` and `lSoftmax`, ‖x‖cosθ for `aSoftmax`, cosθ for all
   * others (neither scale nor SphereFace2's bias change their order); of several centers the greatest, or SoftTriple's weighted mean.
   * @throws ERR_TYPE, ERR_DETACHED (also after `dispose`), ERR_SHAPE, ERR_OPTION_RANGE, ERR_ALIAS, ERR_OUT_OF_MEMORY
   */
  logits(x: Matrix, options: { readonly out?: Matrix } = {}): Matrix {
    const state = this.#live();
    x = checkMatrix('x', x, state.settings.dim);
    const { out: wanted } = checkOptions(options, ['out']);
    const out = outputOf(wanted, x.shape[0], state.shard.to - state.shard.from);
    checkMemory({ 'options.out': out }, { x, ...state.memory });
    fillLogits(state, x.data, x.shape[0], out.data);
    return wanted ?? out;
  }

  /**
   * The k classes with the highest scores for every row of x [B, D], of all shards; ties go to the lowest class and NaN comes last. Holds B·k·K
   * neighbours, never B × C.
   * @param options k from 1 to C, default 1
   * @throws ERR_TYPE, ERR_DETACHED (also after `dispose`), ERR_SHAPE, ERR_OPTION_RANGE, ERR_OUT_OF_MEMORY; with a collective also ERR_ABORTED
   */
  predict(x: Matrix, options: { readonly k?: number } = {}): Predictions {
    const state = this.#live();
    const { collective, settings } = state;
    let k = 1;
    const prepare = () => {
      const matrix = checkMatrix('x', x, settings.dim);
      k = checkInteger('options.k', checkOptions(options, ['k']).k ?? 1, 1, state.classes);
      checkMemory({}, { x: matrix, ...state.memory });
      const n = matrix.shape[0];
      return { x: matrix.data, labels: new Int32Array(n), n };
    };
    const batch = collective ? gatherBatch(collective, settings.dim, prepare) : { ...prepare(), first: 0, counts: [] };
    const search = () => bestOf(state, batch.x, batch.n, k);
    const found = collective ? together(collective, search)[0] : search();
    const n = collective ? (batch.counts[collective.rank] as number) : batch.n;
    const { classes, scores } = collective ? mergeBest(collective, found, batch.first, n, k) : found;
    return { classes: { data: classes, shape: [n, k] }, scores: { data: scores, shape: [n, k] } };
  }

  /**
   * More classes, [C, classes): the old rows and their optimizer state stay, the new ones start as if the head had been made with them. In shards all ranks
   * call it, and the last one gets the new classes. Holds both sizes for a moment.
   * @throws ERR_TYPE, ERR_OPTION_RANGE for fewer classes than before, ERR_OUT_OF_MEMORY, ERR_BUSY during a save, ERR_DETACHED (also after `dispose`);
   * with a collective also ERR_ABORTED, and ERR_OPTION_RANGE for ranks that disagree; then no rank has grown
   */
  grow(classes: number): void {
    const state = this.#live();
    const { collective } = state;
    const prepare = () => {
      this.#checkIdle();
      checkInteger('classes', classes, state.classes, Math.floor(mostClasses / state.centers));
      checkMemory({}, { ...state.memory });
      return state.grown(classes);
    };
    if (collective === undefined) {
      prepare()();
      return;
    }
    const [grow, wanted] = together(collective, prepare, () => classes);
    if (wanted.some((other) => other !== wanted[0]))
      throw failure('ERR_OPTION_RANGE', 'classes', 'the same number on all ranks', wanted.join(', '));
    checkGroup(state);
    grow();
  }

  /**
   * Writes the head to a safetensors file: weights, optimizer state, and in the metadata all else that the next step depends on. A file that was there is
   * replaced at the end, when the new one is complete and on the disk: a crash at any moment leaves one of the two, and perhaps a `.tmp` file beside.
   * `step`, `grow` and `dispose` throw ERR_BUSY until the promise settles. Every shard saves its own file.
   * A link stays one, and a file that was there passes on its mode.
   * Rejects with ERR_TYPE, ERR_DETACHED, with Node's errors of the file system, and with `signal.reason` when aborted, the old file in place.
   */
  async save(path: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const state = this.#live();
    checkPath(path);
    const { signal } = checkSignal(checkOptions(options, ['signal']));
    checkMemory({}, { ...state.memory });
    this.#saves++;
    try {
      await saveState(state, path, signal);
    } finally {
      this.#saves--;
    }
  }

  /**
   * The head that was saved: its next step has the bits it would have had. Types, shapes, offsets and the checksum of the file are checked first.
   * Rejects with ERR_FORMAT for a file that is damaged or no head's, ERR_OPTION_RANGE for a shard outside the file's, ERR_TYPE, ERR_OUT_OF_MEMORY,
   * with Node's errors of the file system and with `signal.reason`; with a collective also ERR_ABORTED.
   */
  static async load(path: string, options: LoadOptions = {}): Promise<ClassifierHead> {
    checkPath(path);
    const known = checkSignal(checkOptions(options, ['shard', 'collective', 'workspaceBytes', 'device', 'signal']));
    return new ClassifierHead((await loadState(path, known)) as never);
  }

  /** Gives the memory back; whatever is called after it throws ERR_DETACHED. May be called again. @throws ERR_BUSY during a save */
  dispose(): void {
    if (this.#state === undefined) return;
    this.#checkIdle();
    this.#state.rows.dispose();
    this.#state = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #live(): HeadState {
    if (this.#state === undefined) throw failure('ERR_DETACHED', 'head', 'a head that is not disposed', 'a disposed one');
    return this.#state;
  }

  #checkIdle(): void {
    if (this.#saves > 0) throw failure('ERR_BUSY', 'head', 'no save under way', `${this.#saves}`);
  }
}

/** The caller's matrix, of the right shape, or a fresh one. */
function given(name: string, matrix: Matrix | undefined, rows: number, cols: number): Matrix {
  return matrix === undefined ? zeros(rows, cols) : checkMatrixOf(`options.out.${name}`, matrix, rows, cols);
}
