// The server's end of the training thread: requests go over by transfer, replies find who waits for them.
import { Worker } from 'node:worker_threads';
import type { Checkpoint, Reply, Request } from './protocol.js';
import type { WorkerOptions } from './worker.js';

export class TrainingThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #requests = 0;
  #latest: Reply | undefined;

  private constructor(options: WorkerOptions, ready: () => void, died: (error: unknown) => void) {
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: options });
    this.#worker.on('message', (reply: Reply) => {
      this.#latest = reply;
      ready();
      if (reply.id === undefined) return;
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
    this.#worker.on('error', died);
    this.#worker.on('exit', (code) => died(new Error(`the training thread ended with ${code}`)));
  }

  /** When head and centers are there, new or from a checkpoint. `died` hears of a thread that ends, now or later: its state is lost. */
  static start(options: WorkerOptions, died: (error: unknown) => void): Promise<TrainingThread> {
    return new Promise((resolve) => {
      const thread: TrainingThread = new TrainingThread(options, () => resolve(thread), died);
    });
  }

  /** As of the last reply: asking the thread would wait for its step. */
  get steps(): number {
    return this.#latest?.steps ?? 0;
  }

  get checkpoint(): Checkpoint {
    return this.#latest?.checkpoint ?? { steps: 0, error: null };
  }

  /** The batch's memory goes to the thread. */
  step(batch: ArrayBuffer): Promise<Reply> {
    return this.#ask((id) => ({ id, batch }), [batch]);
  }

  /** After every request before it. */
  save(): Promise<Reply> {
    return this.#ask((id) => ({ id }), []);
  }

  #ask(make: (id: number) => Request, transfer: ArrayBuffer[]): Promise<Reply> {
    const id = this.#requests++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#worker.postMessage(make(id), transfer);
    });
  }
}
