// The last line of a test run, for people and for CI: N passed, N failed, N skipped. Before it, what was not run and why.
export default class SummaryReporter {
  onTestRunEnd(modules, errors) {
    const counts = { passed: 0, failed: errors.length, skipped: 0 };
    let needNative = 0;
    const notes = [];
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      if (module.state() === 'failed' && tests.every((test) => test.result().state !== 'failed')) counts.failed++;
      for (const test of tests) {
        counts[test.result().state === 'pending' ? 'skipped' : test.result().state]++;
        // Suites of describeNative in test/helpers/native.ts carry this in their name.
        if (test.result().state !== 'skipped') continue;
        if (test.fullName.includes('[native]')) needNative++;
        else if (test.result().note) notes.push(`${test.name}: ${test.result().note}`);
      }
    }
    process.on('exit', () => {
      for (const note of notes) console.log(`not run: ${note}`);
      if (needNative > 0) console.log(`not run: ${needNative} tests need the native addon`);
      console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
    });
  }
}
