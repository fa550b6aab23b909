// Runs the fuzz target without libFuzzer: on the files of a folder, or on drawn bytes.
//   replay FOLDER | replay --draws N [--seed N]
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <string>
#include <vector>

#include "../../native/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

std::vector<uint8_t> Read(const std::string& path) {
  FILE* const file = fopen(path.c_str(), "rb");
  CHECK(file != nullptr, "%s", path.c_str());
  std::vector<uint8_t> bytes;
  for (int c = fgetc(file); c != EOF; c = fgetc(file)) bytes.push_back(static_cast<uint8_t>(c));
  fclose(file);
  return bytes;
}

// Says at which input the process has ended, whether a check or a sanitizer did it.
std::string input;
void ReportInput() {
  if (!input.empty()) fprintf(stderr, "at %s\n", input.c_str());
}

void Run(const std::vector<uint8_t>& bytes, const std::string& name) {
  input = name;
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  input.clear();
}

void Folder(const char* path) {
  DIR* const folder = opendir(path);
  CHECK(folder != nullptr, "%s", path);
  size_t files = 0;
  for (const dirent* entry = readdir(folder); entry != nullptr; entry = readdir(folder)) {
    if (entry->d_name[0] == '.') continue;
    Run(Read(std::string(path) + "/" + entry->d_name), entry->d_name);
    files++;
  }
  closedir(folder);
  CHECK(files > 0, "no files in %s", path);
}

void Draw(size_t draws, uint32_t seed) {
  for (; draws > 0; draws--, seed++) {
    hypersphere::test::Random random(seed);
    std::vector<uint8_t> bytes(256);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.Next() >> 24);
    Run(bytes, "seed " + std::to_string(seed));
  }
}

}  // namespace

int main(int count, char** arguments) {
  size_t draws = 0;
  uint32_t seed = 1;
  for (int i = 1; i + 1 < count; i += 2) {
    if (strcmp(arguments[i], "--draws") == 0) draws = strtoul(arguments[i + 1], nullptr, 10);
    if (strcmp(arguments[i], "--seed") == 0) seed = static_cast<uint32_t>(strtoul(arguments[i + 1], nullptr, 10));
  }
  atexit(ReportInput);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(ReportInput);
  if (count == 2) Folder(arguments[1]);
  CHECK(count == 2 || draws > 0, "a folder, or --draws N [--seed N]");
  if (draws > 0) Draw(draws, seed);
}
