#include "pool.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <thread>

#include "../cpu.h"
#include "keep_loaded.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hypersphere {
namespace {

// Some 30 to 90 µs, as long as a pause takes: back-to-back calls find the workers awake, an idle process burns no core.
constexpr int kSpins = 2000;

void Relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

struct Job {
  BlockFunction function;
  const void* context;
  size_t blocks;
  const std::atomic<bool>* cancel;
  const KernelTable& kernels = CurrentKernels();  // of the caller, whose level may be kept
  std::atomic<size_t> next{0};
  std::atomic<bool> aborted{false};

  void Run(int worker) {
    while (!aborted.load(std::memory_order_relaxed)) {
      const size_t block = next.fetch_add(1, std::memory_order_relaxed);
      if (block >= blocks) return;
      if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) {
        aborted.store(true, std::memory_order_relaxed);
        return;
      }
      function(context, block, worker);
    }
  }

  Status Result() const { return aborted.load(std::memory_order_relaxed) ? Status::kAborted : Status::kOk; }
};

class Pool {
 public:
  // Never destroyed: a worker may be asleep in it when the process ends.
  static Pool& Get() {
    alignas(Pool) static char memory[sizeof(Pool)];
    static Pool* const pool = new (memory) Pool;
    return *pool;
  }

  // False where another call has the workers.
  bool Run(Job& job, int helpers) {
    if (busy_.exchange(true, std::memory_order_acquire)) return false;
    Start(helpers);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job;
      wanted_ = helpers;
      joined_ = 0;
      call_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    job.Run(0);
    Finish();
    busy_.store(false, std::memory_order_release);
    return true;
  }

 private:
  // Threads that cannot be started are done without.
  void Start(int helpers) {
    if (started_ == 0) KeepLoaded();
    while (started_ < helpers) {
      try {
        std::thread([this] { Work(); }).detach();
      } catch (const std::exception&) {
        return;
      }
      started_++;
    }
  }

  // No worker may join any more; waits for those that have. One that never woke costs nothing.
  void Finish() {
    std::unique_lock<std::mutex> lock(mutex_);
    job_ = nullptr;
    if (active_.load(std::memory_order_acquire) == 0) return;
    lock.unlock();
    for (int i = 0; i < kSpins; i++) {
      if (active_.load(std::memory_order_acquire) == 0) return;
      Relax();
    }
    lock.lock();
    done_.wait(lock, [this] { return active_.load(std::memory_order_acquire) == 0; });
  }

  void Work() {
    uint64_t seen = 0;
    for (;;) {
      for (int i = 0; i < kSpins && call_.load(std::memory_order_acquire) == seen; i++) Relax();
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return call_.load(std::memory_order_relaxed) != seen; });
      seen = call_.load(std::memory_order_relaxed);
      if (job_ == nullptr || joined_ == wanted_) continue;
      Job& job = *job_;
      const int worker = ++joined_;
      active_.fetch_add(1, std::memory_order_relaxed);
      lock.unlock();
      {
        const KeptLevel kept(job.kernels);
        job.Run(worker);
      }
      lock.lock();
      if (active_.fetch_sub(1, std::memory_order_release) == 1) done_.notify_one();
    }
  }

  std::atomic<bool> busy_{false};
  std::atomic<uint64_t> call_{0};  // counts the calls; written under the mutex, spun on without
  std::atomic<int> active_{0};     // workers in the job; written under the mutex, spun on without
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  Job* job_ = nullptr;
  int wanted_ = 0, joined_ = 0;
  int started_ = 0;  // by whoever holds busy_
};

// 0 until someone says.
std::atomic<int> requested_threads{0};

}  // namespace

void SetThreads(int threads) {
  requested_threads.store(threads < 1 ? 1 : threads > kMostThreads ? kMostThreads : threads, std::memory_order_relaxed);
}

int Threads() {
  const int requested = requested_threads.load(std::memory_order_relaxed);
  if (requested > 0) return requested;
  static const unsigned cores = std::thread::hardware_concurrency();
  return cores < 1 ? 1 : cores > kMostThreads ? kMostThreads : static_cast<int>(cores);
}

Status RunBlocks(size_t blocks, int threads, BlockFunction function, const void* context, const std::atomic<bool>* cancel) noexcept {
  Job job{function, context, blocks, cancel};
  const int helpers = blocks < static_cast<size_t>(threads) ? static_cast<int>(blocks) - 1 : threads - 1;
  if (helpers < 1 || !Pool::Get().Run(job, helpers)) job.Run(0);
  return job.Result();
}

}  // namespace hypersphere
