// A head on disk: a safetensors file of its rows and the optimizer's, with all else in the metadata. The file of a shard holds its classes.
import { checkDevice, type Device } from '../backend.js';
import { checkWorkspace } from '../checks.js';
import type { Collective } from '../collective.js';
import { failure, HypersphereError } from '../errors.js';
import { centersOf } from '../margins/columns.js';
import type { Margin } from '../margins/types.js';
import { SafetensorsFile, type Target, type Tensor, writeSafetensors } from '../safetensors.js';
import { newRows, type Rows } from './class-weights.js';
import { type ClassifierHeadOptions, checkSettings, checkShard, type Shard } from './head-options.js';
import { headRows, type RowsAndMoments } from './head-rows.js';
import { checkGroup, HeadState } from './head-state.js';
import { hasMoments, type Optimizer } from './optimizers.js';
import { together } from './sharding.js';

const kind = 'hypersphere.ClassifierHead';
const version = '1';

const momentsName = (optimizer: Optimizer): string => (optimizer.kind === 'sgd' ? 'momentum' : 'accumulator');

export async function saveState(state: HeadState, path: string, signal: AbortSignal | undefined): Promise<void> {
  const { settings, shard, classes, margin, steps, bias, biasMoments } = state;
  const { weights, moments } = state.rows.current();
  const shape = [(shard.to - shard.from) * state.centers, settings.dim];
  const tensors: Record<string, Tensor> = { weights: { data: weights, shape } };
  const name = momentsName(settings.optimizer);
  if (moments) tensors[name] = { data: moments, shape };
  if (bias) tensors['bias'] = { data: bias, shape: [1] };
  if (biasMoments) tensors[`bias.${name}`] = { data: biasMoments, shape: [1] };
  const { optimizer, sampleRate, precision, rounding, seed, lambdaSchedule } = settings;
  await writeSafetensors(
    path,
    tensors,
    {
      kind,
      version,
      classes: `${classes}`,
      from: `${shard.from}`,
      to: `${shard.to}`,
      step: `${steps}`,
      margin: JSON.stringify(margin),
      optimizer: JSON.stringify(optimizer),
      sampleRate: `${sampleRate}`,
      precision,
      rounding,
      seed: `${seed}`,
      ...(lambdaSchedule && { lambdaSchedule: JSON.stringify(lambdaSchedule) }),
    },
    signal,
  );
}

export interface LoadOptions {
  /** Classes [from, to) to take, within the file's. Default: with a collective its even split, else all. */
  readonly shard?: Shard;
  readonly collective?: Collective;
  /** As for the constructor: it belongs to the machine, not to the file. */
  readonly workspaceBytes?: number;
  /** As for the constructor. */
  readonly device?: Device;
  /** Stops the reading; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

export async function loadState(path: string, options: LoadOptions): Promise<HeadState> {
  const { collective } = options;
  if (collective === undefined) return readState(path, options);
  // The file of one rank may be missing or damaged: then no rank gets a head.
  const outcome = await readState(path, options).then(
    (state) => () => state,
    (error: unknown) => () => {
      throw error;
    },
  );
  const [state] = together<HeadState>(collective, outcome);
  checkGroup(state);
  return state;
}

const malformed = (expected: string, received: string): HypersphereError => failure('ERR_FORMAT', 'path', expected, received);

async function readState(path: string, options: LoadOptions): Promise<HeadState> {
  const file = await SafetensorsFile.open(path);
  try {
    const { settings, saved, steps } = described(file);
    const { classes, margin, ...rest } = settings;
    const workspaceBytes = checkWorkspace(options.workspaceBytes);
    const device = checkDevice(options.device);
    // Without shards to come from other ranks the file has to hold all.
    const wanted = options.shard ?? (options.collective === undefined ? saved : undefined);
    const { shard, collective } = checkShard(wanted, options.collective, classes, margin);
    if (shard.from < saved.from || shard.to > saved.to)
      throw failure(
        'ERR_OPTION_RANGE',
        'options.shard',
        `classes within the file's [${saved.from}, ${saved.to})`,
        `[${shard.from}, ${shard.to})`,
      );
    // Before anything is allocated by what the metadata claims.
    checkTensors(file, settings, saved);
    const empty = emptyHead(settings, shard);
    await file.read(targets(settings, empty, shard, saved), options.signal);
    const rows = headRows(device, empty, settings.dim);
    return new HeadState(rest, workspaceBytes, collective, classes, shard, margin, steps, rows, empty.bias, empty.biasMoments);
  } finally {
    await file.close();
  }
}

type Checked = ReturnType<typeof checkSettings>;

interface HeadTensors extends RowsAndMoments {
  readonly bias: Float32Array | undefined;
  readonly biasMoments: Float32Array | undefined;
}

function emptyHead({ margin, dim, precision, optimizer }: Checked, shard: Shard): HeadTensors {
  const rows = (): Rows => newRows(precision, (shard.to - shard.from) * centersOf(margin), dim);
  const hasState = hasMoments(optimizer);
  const bias = margin.kind === 'sphereFace2' ? new Float32Array(1) : undefined;
  const biasMoments = bias && hasState ? new Float32Array(1) : undefined;
  const moments = hasState ? rows() : undefined;
  return { weights: rows(), moments, bias, biasMoments };
}

/** The file has the tensors of such a head and no others, in shapes that fit. */
function checkTensors({ tensors }: SafetensorsFile, { margin, dim, optimizer }: Checked, { from, to }: Shard): void {
  const name = momentsName(optimizer);
  const rows = [(to - from) * centersOf(margin), dim];
  const wanted = new Map([['weights', rows]]);
  if (hasMoments(optimizer)) wanted.set(name, rows);
  if (margin.kind === 'sphereFace2') {
    wanted.set('bias', [1]);
    if (hasMoments(optimizer)) wanted.set(`bias.${name}`, [1]);
  }
  for (const [tensor, shape] of wanted) {
    const found = tensors.get(tensor)?.shape;
    if (found?.length !== shape.length || !shape.every((size, i) => size === found[i]))
      throw malformed(`a tensor '${tensor}' of shape [${shape.join(', ')}]`, found ? `[${found.join(', ')}]` : 'none');
  }
  if (tensors.size !== wanted.size)
    throw malformed(`the tensors ${[...wanted.keys()].join(', ')}`, [...tensors.keys()].join(', ').slice(0, 200));
}

function targets({ dim, margin, optimizer }: Checked, into: HeadTensors, shard: Shard, saved: Shard): Target[] {
  const { weights, moments, bias, biasMoments } = into;
  const name = momentsName(optimizer);
  const from = (shard.from - saved.from) * centersOf(margin) * dim;
  const all: Target[] = [{ name: 'weights', into: weights, from }];
  if (moments) all.push({ name, into: moments, from });
  if (bias) all.push({ name: 'bias', into: bias });
  if (biasMoments) all.push({ name: `bias.${name}`, into: biasMoments });
  return all;
}

/** The metadata as settings, held to the same checks as the options of a constructor. */
function described(file: SafetensorsFile): { readonly settings: Checked; readonly saved: Shard; readonly steps: number } {
  const { metadata, tensors } = file;
  if (metadata.get('kind') !== kind || metadata.get('version') !== version)
    throw malformed(
      `a ${kind} of version ${version}`,
      `'${(metadata.get('kind') ?? 'none').slice(0, 40)}', ${metadata.get('version')?.slice(0, 40)}`,
    );
  const text = (name: string): string => {
    const value = metadata.get(name);
    if (value === undefined) throw malformed(`metadata '${name}'`, 'none');
    return value;
  };
  const json = (name: string): unknown => {
    try {
      return JSON.parse(text(name));
    } catch (error) {
      throw error instanceof HypersphereError ? error : malformed(`metadata '${name}' of JSON`, (error as Error).message);
    }
  };
  const options: ClassifierHeadOptions = {
    classes: json('classes') as number,
    dim: tensors.get('weights')?.shape[1] as number,
    margin: json('margin') as Margin,
    optimizer: json('optimizer') as Optimizer,
    sampleRate: json('sampleRate') as number,
    precision: text('precision') as 'float32',
    ...(text('precision') === 'bfloat16' && { rounding: text('rounding') as 'nearest' }),
    seed: json('seed') as number,
    ...(metadata.has('lambdaSchedule') && { lambdaSchedule: json('lambdaSchedule') as object }),
  };
  const [from, to, steps] = [json('from'), json('to'), json('step')] as [number, number, number];
  try {
    const settings = checkSettings(options);
    const whole = [from, to, steps].every((value) => Number.isSafeInteger(value) && value >= 0);
    if (!whole || from >= to || to > settings.classes)
      throw malformed('classes [from, to) and a step', `[${from}, ${to}) of ${options.classes}, ${steps}`);
    return { settings, saved: { from, to }, steps };
  } catch (error) {
    if (!(error instanceof HypersphereError) || error.code === 'ERR_FORMAT') throw error;
    throw malformed(`${error.argument.replace('options.', 'metadata ')}: ${error.expected}`, error.received);
  }
}
