// Formats that a well-kept package reads are read by it; the core does without, so it is loaded when a file asks for it.
import { failure } from '../errors.js';

/** What `load` imports; where the package `name` is not installed, an error that says how to have it. */
export async function optional<T>(name: string, format: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw error;
    throw failure('ERR_FORMAT', 'path', `the package ${name} beside hypersphere, which reads ${format} (npm install ${name})`, 'none');
  }
}
