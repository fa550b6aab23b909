// The runs as a table of Markdown, and its place on the page.
import type { Run } from './runs.js';
import type { Figures } from './verify.js';

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
const cells = ({ auc, eer, tarAt1e2, tarAt1e3 }: Figures): string[] => [auc.toFixed(4), percent(eer), percent(tarAt1e2), percent(tarAt1e3)];
const heads = ['AUC', 'EER', 'TAR@1 %', 'TAR@0.1 %'];

export function tableOf(runs: readonly Run[]): string {
  const lines = [
    ['loss', ...heads, ...heads.map((head) => `${head}, new typefaces`), 'settings'],
    ['---', ...[...heads, ...heads].map(() => '---:'), '---'],
    ...runs.map(({ title, settings, unseen, unseenFonts }) => [title, ...cells(unseen), ...cells(unseenFonts), settings]),
  ];
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n');
}

/** The page with `text` between the two marks of that name. */
export function placed(page: string, name: string, text: string): string {
  const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [page.indexOf(start), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the page has no ${start} … ${end}`);
  return `${page.slice(0, from + start.length)}\n${text}\n${page.slice(to)}`;
}
