// The thread that owns head and centers. A step blocks it and nothing else; requests are answered one at a time in the order in which they came, and a
// step waits for a save before it (the head would refuse it: ERR_BUSY).
import { parentPort, workerData } from 'node:worker_threads';
import { type Reply, type Request, refusalOf } from './protocol.js';
import { Trainer, type TrainerOptions } from './trainer.js';

export interface WorkerOptions extends TrainerOptions {
  /** A checkpoint after so many steps. */
  readonly every: number;
}

const port = parentPort;
if (port === null) throw new Error('worker.js is a thread of server.js');
const options = workerData as WorkerOptions;
const trainer = await Trainer.start(options);
let checkpoint = { steps: trainer.steps, error: null as string | null };

const say = (outcome: Omit<Reply, 'steps' | 'checkpoint'> = {}): void => {
  port.postMessage({ ...outcome, steps: trainer.steps, checkpoint } satisfies Reply, outcome.answer ? [outcome.answer] : []);
};

/** A disk that is full must not end the training: the error is told by /health and by whoever asked for the save. */
async function save(): Promise<void> {
  try {
    await trainer.save();
    checkpoint = { steps: trainer.steps, error: null };
  } catch (error) {
    checkpoint = { ...checkpoint, error: String(error) };
    console.error(`checkpoint at step ${trainer.steps}: ${error}`);
  }
}

function step(id: number, batch: ArrayBuffer): boolean {
  try {
    say({ id, answer: trainer.step(batch) });
    return true;
  } catch (error) {
    const refusal = refusalOf(error);
    if (!refusal) console.error(error);
    say(refusal ? { id, refusal } : { id, failure: String(error) });
    return false;
  }
}

async function serve({ id, batch }: Request): Promise<void> {
  if (batch === undefined) {
    await save();
    say({ id });
  } else if (step(id, batch) && trainer.steps % options.every === 0) {
    // The step has been answered: only the next one waits.
    await save();
    say();
  }
}

let queue = Promise.resolve();
port.on('message', (request: Request) => {
  queue = queue.then(() => serve(request));
});
say();
