// The repository's TypeScript on a consumer's files. In process: a compiler started per case would take most of the time.
import { dirname } from 'node:path';
import ts from 'typescript';

// The standard library's files parse alike under every module setting, and are not what is under test.
const standard = new Map<string, ts.SourceFile | undefined>();
function hostFor(options: ts.CompilerOptions, folder: string): ts.CompilerHost {
  const host = ts.createCompilerHost(options);
  const library = host.getDefaultLibLocation?.() ?? '';
  const getSourceFile: ts.CompilerHost['getSourceFile'] = (name, ...rest) => {
    if (dirname(name) !== library) return host.getSourceFile(name, ...rest);
    if (!standard.has(name)) standard.set(name, host.getSourceFile(name, ...rest));
    return standard.get(name);
  };
  return { ...host, getSourceFile, getCurrentDirectory: () => folder };
}

/** tfjs's declarations do not compile beside those of today's DOM; what is ours to get right is everything else. */
const foreign = /[\\/]node_modules[\\/]@(tensorflow|webgpu)[\\/]/;

/**
 * Compiles `files` with strict and the package's own declarations checked (skipLibCheck false), the flags given as on the command
 * line, and writes the JavaScript beside the sources; the errors as text, '' for none.
 */
export function compile(files: readonly string[], flags: readonly string[]): string {
  const common = ['--strict', '--skipLibCheck', 'false', '--skipDefaultLibCheck', '--target', 'es2022'];
  const { options, errors } = ts.parseCommandLine([...common, ...flags]);
  const folder = dirname(files[0] as string);
  const program = ts.createProgram(files, options, hostFor(options, folder));
  const { diagnostics } = program.emit();
  const all = [...errors, ...ts.getPreEmitDiagnostics(program), ...diagnostics].filter(({ file }) => !foreign.test(file?.fileName ?? ''));
  return ts.formatDiagnostics(all, { getCanonicalFileName: (name) => name, getCurrentDirectory: () => folder, getNewLine: () => '\n' });
}
