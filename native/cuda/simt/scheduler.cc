// Fibers and what they wait for. A thread runs until it comes to a barrier, to a rendezvous of its warp, or to its end; then the next one
// that can go on has its turn. HYPERSPHERE_SIMT_ORDER=reverse turns the order of threads and blocks around, and =warps lets a warp go on until all
// of it waits for others, where else warps that do the same keep step: what depends on the order lacks a barrier, or takes blocks for ordered.
//
// Reported instead of computed: a barrier that some threads reach elsewhere, or after others have ended; a mask that leaves the caller out, or
// the lane that is read, names a lane that has ended, or that lanes disagree on; lanes that meet in different words, or at
// different products; threads that wait for ever;
// more shared memory than a block may have.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sanitizers.h"
#include "simt.h"

// Saves the registers that a call keeps, and the stack they are on; goes on where `to` was left.
extern "C" void hypersphere_simt_switch(void** from, void* to);
#if defined(__x86_64__)
asm(R"(
.text
.globl hypersphere_simt_switch
.hidden hypersphere_simt_switch
hypersphere_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
constexpr size_t kSavedWords = 8, kReturnWord = 6;  // the last one keeps the stack aligned as after a call
#elif defined(__aarch64__)
asm(R"(
.text
.globl hypersphere_simt_switch
.hidden hypersphere_simt_switch
hypersphere_simt_switch:
  sub sp, sp, #160
  stp x19, x20, [sp]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x2, sp
  str x2, [x0]
  mov sp, x1
  ldp x19, x20, [sp]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
)");
constexpr size_t kSavedWords = 20, kReturnWord = 11;
#else
#error "the stand-in has no context switch for this processor"
#endif

namespace hypersphere {
namespace simt {
namespace {

constexpr size_t kMostThreads = 1024, kLanesOfWarp = 32, kStackBytes = size_t{256} << 10, kGuardBytes = 4096;
constexpr size_t kMostShared = size_t{227} << 10;

enum class State { kReady, kAtBarrier, kAtRendezvous, kEnded };

struct Fiber {
  char* stack = nullptr;
  void* saved = nullptr;
  void* fake_stack = nullptr;
  State state = State::kReady;
  Position position{};
  unsigned index = 0;
  uint32_t mask = 0;
  Word word = Word::kSync;
  int site = 0;
  uint64_t sent = 0, received[kLanesOfWarp] = {};
};

class Scheduler {
 public:
  Scheduler() {
    const char* const order = getenv("HYPERSPHERE_SIMT_ORDER");
    reverse_ = order != nullptr && strcmp(order, "reverse") == 0;
    warp_by_warp_ = order != nullptr && strcmp(order, "warps") == 0;
  }

  const char* Launch(const Index& grid, const Index& block, void (*body)(void*), void* arguments) {
    count_ = static_cast<size_t>(block.x) * block.y * block.z;
    if (count_ == 0 || count_ > kMostThreads || grid.y > 65535 || grid.z > 65535) return "a launch of a size that no device takes";
    body_ = body;
    arguments_ = arguments;
    failure_.clear();
    const size_t plane = static_cast<size_t>(grid.x) * grid.y, blocks = plane * grid.z;
    for (size_t b = 0; b < blocks && failure_.empty(); b++) {
      const size_t at = reverse_ ? blocks - 1 - b : b;
      RunBlock({static_cast<unsigned>(at % grid.x), static_cast<unsigned>(at / grid.x % grid.y), static_cast<unsigned>(at / plane)}, block);
    }
    races_.EndLaunch();
    if (failure_.empty()) return nullptr;
    for (Fiber& fiber : fibers_) fiber.saved = nullptr;  // they were left in the middle
    return failure_.c_str();
  }

  Fiber& Current() { return *current_; }

  void* Shared(const void* place, size_t bytes) {
    const bool first = shared_.count(place) == 0;
    if (first) shared_bytes_ += bytes;
    if (shared_bytes_ > kMostShared) Fail("more shared memory than a block may have");
    if (first) {
      races_.Own([&] {
        std::unique_ptr<char[]>& array = shared_[place];
        array.reset(new char[bytes]);
        memset(array.get(), 0xff, bytes);
        return array.get();
      });
    }
    char* const array = shared_.find(place)->second.get();
    races_.Acquire(array);
    return array;
  }

  void Barrier(int site) {
    if (live_ != count_) Fail("a barrier after some threads have ended");
    if (waiting_ == 0) site_ = site;
    if (site != site_) Fail("threads of a block wait at different barriers");
    current_->state = State::kAtBarrier;
    waiting_++;
    Leave();
  }

  const uint64_t* Meet(Word word, uint32_t mask, uint64_t value, unsigned source, int site) {
    Fiber& own = *current_;
    const size_t warp = own.index / kLanesOfWarp * kLanesOfWarp;
    const uint32_t bit = 1u << own.index % kLanesOfWarp;
    if ((mask & bit) == 0) Fail("a lane that its own mask leaves out");
    if ((mask >> source & 1) == 0) Fail("a mask that leaves out the lane that is read");
    own.mask = mask;
    own.word = word;
    own.site = site;
    own.sent = value;
    own.state = State::kAtRendezvous;
    bool all = true;
    for (size_t lane = 0; lane < kLanesOfWarp; lane++) {
      if ((mask >> lane & 1) == 0) continue;
      if (warp + lane >= count_ || fibers_[warp + lane].state == State::kEnded) Fail("a mask that names a lane which has ended");
      const Fiber& other = fibers_[warp + lane];
      if (other.state == State::kAtRendezvous && other.mask != mask) Fail("lanes that disagree on their mask");
      if (other.state == State::kAtRendezvous && other.word != word) Fail("lanes that meet in different words");
      if (other.state == State::kAtRendezvous && other.site != site) Fail("lanes that meet at different products");
      all = all && other.state == State::kAtRendezvous;
    }
    if (all) HandOver(warp, mask);
    if (own.state != State::kReady) Leave();
    return own.received;
  }

  // A finished thread waits for the next block; its stack is its own again.
  void RunThreads() {
    Arrived();
    for (;;) {
      body_(arguments_);
      current_->state = State::kEnded;
      live_--;
      Leave();
    }
  }

 private:
  void Prepare() {
    if (fibers_.size() < count_) fibers_.resize(kMostThreads);
    for (size_t i = 0; i < count_; i++) {
      Fiber& fiber = fibers_[i];
      if (kNewThreadsEveryBlock) fiber.saved = nullptr;
      fiber.index = static_cast<unsigned>(i);
      if (fiber.stack == nullptr) {
        fiber.stack = static_cast<char*>(mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        mprotect(fiber.stack, kGuardBytes, PROT_NONE);
      }
      if (fiber.saved != nullptr) continue;
      RenewStack(fiber.stack + kStackBytes);
      void** const frame = reinterpret_cast<void**>(fiber.stack + kStackBytes) - kSavedWords;
      memset(frame, 0, kSavedWords * sizeof(void*));
      frame[kReturnWord] = reinterpret_cast<void*>(&Entry);
      fiber.saved = frame;
      fiber.fake_stack = nullptr;
    }
  }

  static void Entry();

  void RunBlock(const Index& at, const Index& size) {
    live_ = count_;
    waiting_ = 0;
    shared_bytes_ = 0;
    Prepare();
    races_.BeginBlock(count_);
    for (size_t i = 0; i < count_; i++) {
      const unsigned n = static_cast<unsigned>(i);
      fibers_[i].state = State::kReady;
      fibers_[i].position = {{n % size.x, n / size.x % size.y, n / size.x / size.y}, at, size};
    }
    while (live_ > 0 && failure_.empty()) {
      bool any = false;
      const size_t of_run = warp_by_warp_ ? kLanesOfWarp : count_;
      for (size_t first = 0; first < count_; first += of_run) {
        bool ran;
        do {
          ran = ResumeReady(first, first + of_run < count_ ? first + of_run : count_);
          any = any || ran;
        } while (ran && warp_by_warp_);
      }
      if (waiting_ > 0 && waiting_ == live_) {
        if (live_ != count_) failure_ = "a barrier after some threads have ended";
        races_.Meet([](size_t) { return true; });
        for (size_t i = 0; i < count_; i++) {
          if (fibers_[i].state == State::kAtBarrier) fibers_[i].state = State::kReady;
        }
        waiting_ = 0;
      } else if (!any && live_ > 0 && failure_.empty()) {
        failure_ = "threads that wait for ever";
      }
    }
    races_.EndBlock([this] { shared_.clear(); });
  }

  // Whether there were any.
  bool ResumeReady(size_t first, size_t last) {
    bool any = false;
    for (size_t i = first; i < last && failure_.empty(); i++) {
      Fiber& fiber = fibers_[reverse_ ? count_ - 1 - i : i];
      if (fiber.state != State::kReady) continue;
      any = true;
      Resume(fiber);
    }
    return any;
  }

  void HandOver(size_t warp, uint32_t mask) {
    const auto named = [&](size_t lane) { return (mask >> lane & 1) != 0; };
    for (size_t lane = 0; lane < kLanesOfWarp; lane++) {
      if (!named(lane)) continue;
      Fiber& fiber = fibers_[warp + lane];
      for (size_t from = 0; from < kLanesOfWarp; from++) fiber.received[from] = named(from) ? fibers_[warp + from].sent : 0;
      fiber.state = State::kReady;
    }
    if (current_->word == Word::kSync) races_.Meet([&](size_t i) { return i / kLanesOfWarp == warp / kLanesOfWarp && named(i % kLanesOfWarp); });
  }

  void Fail(const char* what) {
    const Index &block = current_->position.block, &thread = current_->position.thread;
    char text[256];
    snprintf(text, sizeof(text), "%s: block %u,%u,%u thread %u,%u,%u", what, block.x, block.y, block.z, thread.x, thread.y, thread.z);
    failure_ = text;
    Leave();  // for good
  }

  void Resume(Fiber& fiber) {
    current_ = &fiber;
    races_.Enter(fiber.index);
#if defined(HYPERSPHERE_SIMT_ASAN)
    __sanitizer_start_switch_fiber(&own_fake_stack_, fiber.stack, kStackBytes);
#endif
    hypersphere_simt_switch(&own_saved_, fiber.saved);
#if defined(HYPERSPHERE_SIMT_ASAN)
    __sanitizer_finish_switch_fiber(own_fake_stack_, nullptr, nullptr);
#endif
    races_.Leave();
  }

  void Leave() {
    Fiber& fiber = *current_;
#if defined(HYPERSPHERE_SIMT_ASAN)
    __sanitizer_start_switch_fiber(&fiber.fake_stack, own_stack_, own_stack_bytes_);
#endif
    hypersphere_simt_switch(&fiber.saved, own_saved_);
    Arrived();
  }

  void Arrived() {
#if defined(HYPERSPHERE_SIMT_ASAN)
    __sanitizer_finish_switch_fiber(current_->fake_stack, &own_stack_, &own_stack_bytes_);
#endif
  }

  Races races_;
  std::vector<Fiber> fibers_;
  Fiber* current_ = nullptr;
  void* own_saved_ = nullptr;
#if defined(HYPERSPHERE_SIMT_ASAN)
  void* own_fake_stack_ = nullptr;
  const void* own_stack_ = nullptr;
  size_t own_stack_bytes_ = 0;
#endif
  void (*body_)(void*) = nullptr;
  void* arguments_ = nullptr;
  size_t count_ = 0, live_ = 0, waiting_ = 0, shared_bytes_ = 0;
  int site_ = 0;
  bool reverse_ = false, warp_by_warp_ = false;
  std::map<const void*, std::unique_ptr<char[]>> shared_;
  std::string failure_;
};

Scheduler& Own() {
  static Scheduler* const scheduler = new Scheduler;
  return *scheduler;
}

void Scheduler::Entry() { Own().RunThreads(); }

}  // namespace

const Position& Now() { return Own().Current().position; }
void* SharedArray(const void* place, size_t bytes) { return Own().Shared(place, bytes); }
void BlockBarrier(int site) { Own().Barrier(site); }
const uint64_t* Exchange(Word word, uint32_t mask, uint64_t value, unsigned source, int site) { return Own().Meet(word, mask, value, source, site); }
const char* Launch(const Index& grid, const Index& block, void (*body)(void*), void* arguments) { return Own().Launch(grid, block, body, arguments); }

}  // namespace simt
}  // namespace hypersphere
