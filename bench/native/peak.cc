// Limits of this machine as JSON lines, one for each level and number of threads: bench_peak LEVEL … -- THREADS …
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peak.h"

using namespace hypersphere;

int main(int count, char** arguments) {
  int split = 1;
  while (split < count && strcmp(arguments[split], "--") != 0) split++;
  for (int t = split + 1; t < count; t++) {
    const int threads = atoi(arguments[t]);
    printf("{\"threads\":%d,\"readGBs\":%.2f}\n", threads, bench::ReadBandwidth(threads));
    for (int l = 1; l < split; l++) {
      for (const Level level : {Level::kBaseline, Level::kAvx2, Level::kAvx512, Level::kNeon}) {
        if (strcmp(arguments[l], LevelName(level)) != 0 || !SetLevel(level)) continue;
        printf("{\"isa\":\"%s\",\"threads\":%d,\"peakGflops\":%.1f}\n", LevelName(level), threads, bench::FmaPeak(threads));
      }
    }
  }
}
