// Comma-separated values: one row of the matrix a line, with or without a line of names, and at most one column that is a label.
import { createReadStream } from 'node:fs';
import { failure } from '../errors.js';
import { malformed } from './npy-header.js';
import { optional } from './packages.js';

export interface CsvOptions {
  /** Name or index (from 0) of the label's column; none by default. */
  readonly labelColumn?: string | number;
  /** Default `,`, in a file that ends in .tsv a tab. */
  readonly delimiter?: string;
}

export interface CsvRows {
  readonly values: Float32Array;
  readonly rows: number;
  /** Columns of numbers: the label's is not among them. */
  readonly cols: number;
  readonly labels: readonly string[];
}

// What NumPy and pandas write beside plain numbers.
const words: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  '+inf': Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
};

/** The cell's number, or undefined. */
function numberOf(cell: string): number | undefined {
  const text = cell.trim();
  const word = words[text.toLowerCase()];
  if (word !== undefined) return word;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

/** Float32 values that come one by one. */
class Growing {
  #data = new Float32Array(1024);
  #length = 0;

  push(value: number): void {
    if (this.#length === this.#data.length) {
      const longer = new Float32Array(2 * this.#length);
      longer.set(this.#data);
      this.#data = longer;
    }
    this.#data[this.#length++] = value;
  }

  take(): Float32Array {
    return this.#data.slice(0, this.#length);
  }
}

/** The label's column among `cells`, the first line; −1 where no label is asked for. */
function labelIndex(cells: readonly string[], column: string | number | undefined): number {
  if (column === undefined) return -1;
  const index = typeof column === 'number' ? column : cells.indexOf(column);
  if (Number.isInteger(index) && index >= 0 && index < cells.length) return index;
  const expected = typeof column === 'number' ? `an index of a column, 0 to ${cells.length - 1}` : 'the name of a column in the first line';
  throw failure('ERR_OPTION_RANGE', 'options.labelColumn', expected, `'${column}'`);
}

/**
 * A first line with a cell that is no number, the label's aside, holds names. Rejects with ERR_FORMAT for rows of unequal length or a later cell
 * that is no number, named by line and column; ERR_OPTION_RANGE for a label column that is not there; and with Node's errors of the file system.
 */
export async function readCsv(path: string, { labelColumn, delimiter = path.endsWith('.tsv') ? '\t' : ',' }: CsvOptions): Promise<CsvRows> {
  const { parse, CsvError } = await optional('csv-parse', '.csv', () => import('csv-parse'));
  const lines = parse({ delimiter, bom: true, skip_empty_lines: true, relax_column_count: true, info: true });
  createReadStream(path)
    .on('error', (error) => lines.destroy(error))
    .pipe(lines);
  const values = new Growing();
  const labels: string[] = [];
  let rows = 0;
  let width: number | undefined;
  let at = -1;
  try {
    for await (const { record, info } of lines as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      if (width === undefined) {
        width = record.length;
        at = labelIndex(record, labelColumn);
        const named = typeof labelColumn === 'string' || record.some((cell, i) => i !== at && numberOf(cell) === undefined);
        if (named) continue;
      }
      if (record.length !== width)
        throw malformed('path', `${width} columns, as in the first line`, `${record.length} in line ${info.lines}`);
      record.forEach((cell, i) => {
        const value = i === at ? labels.push(cell.trim()) : numberOf(cell);
        if (value === undefined) throw malformed('path', 'a number', `'${cell}' in line ${info.lines}, column ${i + 1}`);
        if (i !== at) values.push(value);
      });
      rows++;
    }
  } catch (error) {
    // The parser's own errors: a quote that is never closed, and the like.
    if (error instanceof CsvError) throw malformed('path', 'a sound .csv file', error.message.slice(0, 200));
    throw error;
  }
  if (width === undefined) throw malformed('path', 'at least one line', 'none');
  return { values: values.take(), rows, cols: width - (at < 0 ? 0 : 1), labels };
}
