// The stand-in finds the mistakes it says it finds, and none where there is none: each kernel of bugs.h runs with its mistake and without it, in
// a process of its own, with threads and blocks in each order. What is found depends on the build: AddressSanitizer sees what is out of bounds,
// ThreadSanitizer each race, and without either those races show that change results with the order.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "../../native/cuda/simt/memory.h"
#include "../../native/cuda/simt/sanitizers.h"
#include "../native/check.h"
#include "bugs.h"

// Reports are read by this test alone: symbols and long histories take time.
extern "C" const char* __tsan_default_options() { return "symbolize=0:history_size=0:atexit_sleep_ms=0"; }
extern "C" const char* __asan_default_options() { return "symbolize=0:detect_leaks=0"; }

using namespace hypersphere;
using namespace hypersphere::test;

namespace {

#if defined(HYPERSPHERE_SIMT_ASAN)
constexpr bool kAsan = true, kTsan = false;
#elif defined(HYPERSPHERE_SIMT_TSAN)
constexpr bool kAsan = false, kTsan = true;
#else
constexpr bool kAsan = false, kTsan = false;
#endif

typedef void (*Kernel)(const Data&);

constexpr const char *kUnseen = nullptr, *kNan = "NaN", *kReverse = "reverse alone: NaN", *kWarps = "warps alone: NaN", *kOrder = "depends on the order", *kRace = "ThreadSanitizer: data race",
                     *kOutOfBounds = "AddressSanitizer: use-after-poison", *kOutOfHeap = "AddressSanitizer: heap-buffer-overflow";

struct Seeded {
  const char* name;
  Kernel bug, twin;
  // What is said without sanitizers, and what each of them says; kUnseen: not theirs to find.
  const char *plain, *asan, *tsan;
};

#define SEEDED(name, plain, asan, tsan) {#name, name<true>, name<false>, plain, asan, tsan}
// What the scheduler says in every build.
#define SCHEDULED(name, said) SEEDED(name, said, said, said)

const Seeded kSeeded[] = {
    SEEDED(ReadsBeyondAnArray, kUnseen, kOutOfBounds, kUnseen),
    SEEDED(ReadsBeforeAnArray, kUnseen, kOutOfHeap, kUnseen),
    SEEDED(WritesBeyondAnArray, kUnseen, kOutOfBounds, kUnseen),
    SEEDED(ReadsBeyondShared, kUnseen, kOutOfHeap, kUnseen),
    SEEDED(WritesBeyondShared, kUnseen, kOutOfHeap, kUnseen),
    SEEDED(ReadsBeforeItIsWritten, kNan, kNan, kRace),
    SEEDED(WritesBeforeItIsRead, kOrder, kOrder, kRace),
    SEEDED(TakesAShuffleForABarrier, kUnseen, kUnseen, kRace),
    SEEDED(TakesWarpsToKeepStep, kWarps, kWarps, kRace),
    SEEDED(CountsInABlockWithoutAtomics, kUnseen, kUnseen, kRace),
    SEEDED(CountsAcrossBlocksWithoutAtomics, kUnseen, kUnseen, kRace),
    SEEDED(BlocksWriteOnePlace, kOrder, kOrder, kRace),
    SEEDED(ReadsAnotherBlock, kReverse, kReverse, kRace),
    SCHEDULED(BarriersOfTwoBranches, "threads of a block wait at different barriers"),
    SCHEDULED(BarrierAfterTheEnd, "a barrier after some threads have ended"),
    SCHEDULED(BarrierOnceTooOften, "a barrier after some threads have ended"),
    SCHEDULED(MaskOfTheEnded, "a mask that names a lane which has ended"),
    SCHEDULED(VoteOfLanesThatAreNot, "a mask that names a lane which has ended"),
    SCHEDULED(MaskWithoutItself, "a lane that its own mask leaves out"),
    SCHEDULED(MasksThatDiffer, "lanes that disagree on their mask"),
    SCHEDULED(ShuffleFromOutsideOfTheMask, "a mask that leaves out the lane that is read"),
    SCHEDULED(ShuffleAndVoteMeet, "lanes that meet in different words"),
    SCHEDULED(LanesThatNobodyMeets, "threads that wait for ever"),
    SCHEDULED(LaneThatIsMissing, "threads that wait for ever"),
    SCHEDULED(ProductsOfTwoBranches, "lanes that meet at different products"),
    SEEDED(ReadsWhatNobodyWrote, kNan, kNan, kNan),
    SEEDED(ReadsSharedThatNobodyWrote, kNan, kNan, kNan),
    SEEDED(ReadsWhatTheBlockBeforeShared, kNan, kNan, kNan),
    SCHEDULED(MoreSharedThanThereIs, "more shared memory than a block may have"),
};

// What a process of its own leaves behind.
struct Left {
  bool ended;
  char said[256];
  float out[kNumbers];
};

// As the context has it: allocated larger than asked for, and written before.
template <class T>
T* DeviceArray(size_t count) {
  constexpr size_t kGranule = 65536;
  void* const memory = simt::Allocate(kGranule);
  memset(memory, 0, kGranule);
  CHECK(simt::Use(memory, count * sizeof(T)), "an array of %zu", count);
  return static_cast<T*>(memory);
}

void RunHere(Kernel kernel, Left& left) {
  float* const in = DeviceArray<float>(kNumbers);
  const Data data{in, DeviceArray<float>(kNumbers), DeviceArray<float>(kNumbers), DeviceArray<unsigned>(kBlocks + 1)};
  for (unsigned i = 0; i < kNumbers; i++) in[i] = static_cast<float>(i);
  memset(data.counts, 0, (kBlocks + 1) * sizeof(unsigned));
  struct Bound {
    Kernel kernel;
    const Data& data;
  } bound{kernel, data};
  const auto body = [](void* of) { static_cast<Bound*>(of)->kernel(static_cast<Bound*>(of)->data); };
  const char* const failure = simt::Launch({kBlocks, 1, 1}, {kThreads, 1, 1}, body, &bound);
  if (failure != nullptr) snprintf(left.said, sizeof(left.said), "%s", failure);
  memcpy(left.out, data.out, sizeof(left.out));
  left.ended = true;
}

// ThreadSanitizer sees a race in any order.
const std::vector<const char*> kOrders = kTsan ? std::vector<const char*>{"forward"} : std::vector<const char*>{"forward", "reverse", "warps"};

// What was said on standard error. `left` is shared with the process.
std::string RunApart(Kernel kernel, const char* order, Left& left) {
  left = Left{};
  int ends[2];
  CHECK(pipe(ends) == 0, "no pipe");
  fflush(nullptr);
  const pid_t child = fork();
  CHECK(child >= 0, "no process");
  if (child == 0) {
    dup2(ends[1], 2);
    close(ends[0]);
    setenv("HYPERSPHERE_SIMT_ORDER", order, 1);
    RunHere(kernel, left);
    exit(0);
  }
  close(ends[1]);
  std::string said;
  char piece[4096];
  for (ssize_t n; (n = read(ends[0], piece, sizeof(piece))) > 0;) said.append(piece, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child, "a process is gone");
  if (status != 0 && said.empty()) said = "ended with status " + std::to_string(status);
  if (status == 0 && !left.ended) said = "ended too early";
  return said;
}

std::string Found(Kernel kernel, Left* left) {
  std::string found, only;
  size_t finding = 0;
  float first[kNumbers];
  bool same = true;
  for (const char* order : kOrders) {
    std::string now = RunApart(kernel, order, *left) + left->said;
    if (order == kOrders[0]) memcpy(first, left->out, sizeof(first));
    same = same && memcmp(first, left->out, sizeof(first)) == 0;
    for (const float value : left->out) {
      if (!left->ended || left->said[0] != '\0' || value == value) continue;
      now += kNan;
      break;
    }
    if (now.empty()) continue;
    finding++;
    only = std::string(order) + " alone: ";
    found += now;
  }
  if (finding == 1 && kOrders.size() > 1) return only + found;
  if (found.empty() && !same) found += kOrder;
  return found;
}

}  // namespace

int main() {
  void* const shared = mmap(nullptr, sizeof(Left), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED, "no shared memory");
  Left* const left = static_cast<Left*>(shared);
  size_t seen = 0, wrong = 0;
  for (const Seeded& seeded : kSeeded) {
    const std::string innocent = Found(seeded.twin, left);
    if (!innocent.empty()) fprintf(stderr, "%s without its mistake: found %s\n", seeded.name, innocent.c_str()), wrong++;
    const char* const wanted = kAsan ? seeded.asan : kTsan ? seeded.tsan : seeded.plain;
    if (wanted == kUnseen) continue;
    const std::string found = Found(seeded.bug, left);
    if (found.find(wanted) == std::string::npos) fprintf(stderr, "%s: expected %s, found %s\n", seeded.name, wanted, found.c_str()), wrong++;
    seen++;
  }
  if (wrong > 0) return 1;
  constexpr size_t kAll = sizeof(kSeeded) / sizeof(kSeeded[0]);
  printf("the stand-in finds %zu of %zu mistakes in this build (%s), and no others\n", seen, kAll, kAsan ? "ASan" : kTsan ? "TSan" : "no sanitizer");
  return 0;
}
