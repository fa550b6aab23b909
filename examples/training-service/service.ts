// The HTTP side: who may ask, what is let in, and how a request ends. No arithmetic happens on this thread, so that a health check never waits for a step.
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { Reply } from './protocol.js';
import type { TrainingThread } from './thread.js';

export interface ServiceOptions {
  readonly token: string;
  /** The longest body, in bytes. */
  readonly maxBytes: number;
  /** Requests that are being read, computed or answered at once; bounds memory together with `maxBytes`. */
  readonly maxInFlight: number;
}

/** For a body to arrive, and for a drain to wait for what is in flight. */
const patienceMs = 30_000;

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

export class Service {
  readonly server: Server;
  readonly #thread: TrainingThread;
  readonly #options: ServiceOptions;
  readonly #token: Buffer;
  #inFlight = 0;
  #draining = false;
  /** Set before the last save: a step after it would be answered and lost. */
  #closed = false;
  #idle: () => void = () => {};

  constructor(thread: TrainingThread, options: ServiceOptions) {
    this.#thread = thread;
    this.#options = options;
    this.#token = digest(options.token);
    this.server = createServer({ requestTimeout: patienceMs, headersTimeout: 10_000 }, (request, response) => {
      this.#handle(request, response).catch((error: NodeJS.ErrnoException) => {
        // A client that left in the middle of its body.
        if (request.destroyed && !request.complete) return;
        console.error(error);
        if (!response.headersSent) sendJson(response, 500, { error: { code: 'ERR_INTERNAL' } });
      });
    });
  }

  /** Refuses what is new, waits for what is in flight, saves, closes; whether the checkpoint is on the disk. */
  async drain(): Promise<boolean> {
    this.#draining = true;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
      timer = setTimeout(resolve, patienceMs);
      if (this.#inFlight === 0) resolve();
    });
    clearTimeout(timer);
    this.#closed = true;
    const { checkpoint } = await this.#thread.save();
    await new Promise((resolve) => {
      this.server.close(resolve);
      this.server.closeIdleConnections();
      // Who keeps a connection open beyond its last answer does not keep the process.
      setTimeout(() => this.server.closeAllConnections(), 500).unref();
    });
    return checkpoint.error === null;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.replace(/\?.*/, '');
    if (path === '/health' && (request.method === 'GET' || request.method === 'HEAD')) return this.#health(response);
    if (!this.#authorised(request)) return refuse(response, 401, 'ERR_UNAUTHORISED', { 'www-authenticate': 'Bearer' });
    if (path !== '/step' && path !== '/checkpoint') return refuse(response, 404, 'ERR_NOT_FOUND');
    if (request.method !== 'POST') return refuse(response, 405, 'ERR_METHOD', { allow: 'POST' });
    if (request.headers['transfer-encoding'] !== undefined) return refuse(response, 411, 'ERR_LENGTH_REQUIRED');
    const length = Number(request.headers['content-length'] ?? 0);
    if (length > this.#options.maxBytes) return refuse(response, 413, 'ERR_TOO_LARGE');
    if (this.#draining) return sendJson(response, 503, { error: { code: 'ERR_DRAINING' } });
    if (this.#inFlight >= this.#options.maxInFlight)
      return sendJson(response, 503, { error: { code: 'ERR_BUSY' } }, { 'retry-after': '1' });
    this.#inFlight++;
    response.once('close', () => {
      if (--this.#inFlight === 0) this.#idle();
    });
    const body = await readBody(request, length);
    if (this.#closed) return sendJson(response, 503, { error: { code: 'ERR_DRAINING' } });
    if (path === '/step') answerStep(response, await this.#thread.step(body));
    else answerSave(response, await this.#thread.save());
  }

  #authorised({ headers }: IncomingMessage): boolean {
    const [, token = ''] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
    // Digests have one length, so that the comparison's time tells nothing of the token, not even how long it is.
    return timingSafeEqual(digest(token), this.#token);
  }

  /** Open to all, so it says nothing of paths or errors. */
  #health(response: ServerResponse): void {
    const { steps, checkpoint } = this.#thread;
    const body = {
      status: this.#draining ? 'draining' : 'ok',
      steps,
      checkpoint: checkpoint.steps,
      checkpointFailed: checkpoint.error !== null,
    };
    sendJson(response, this.#draining ? 503 : 200, body, this.#draining ? { connection: 'close' } : {});
  }
}

async function readBody(request: IncomingMessage, length: number): Promise<ArrayBuffer> {
  const body = new Uint8Array(new ArrayBuffer(length));
  let at = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body.buffer;
}

function answerStep(response: ServerResponse, { answer, refusal, failure }: Reply): void {
  if (answer) {
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': answer.byteLength });
    response.end(new Uint8Array(answer));
  } else if (refusal) sendJson(response, 400, { error: refusal });
  else sendJson(response, 500, { error: { code: 'ERR_INTERNAL', received: failure } });
}

function answerSave(response: ServerResponse, { checkpoint }: Reply): void {
  if (checkpoint.error === null) sendJson(response, 200, { checkpoint: checkpoint.steps });
  else sendJson(response, 500, { error: { code: 'ERR_CHECKPOINT', received: checkpoint.error } });
}

/** Closes the connection too: what is still on its way is not read to its end. */
function refuse(response: ServerResponse, status: number, code: string, headers: OutgoingHttpHeaders = {}): void {
  sendJson(response, status, { error: { code } }, { connection: 'close', ...headers });
}

function sendJson(response: ServerResponse, status: number, body: object, headers: OutgoingHttpHeaders = {}): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...headers });
  response.end(text);
}
