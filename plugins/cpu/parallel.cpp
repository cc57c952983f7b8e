#include "parallel.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

namespace stc::cpu {
namespace {

struct Job {
  void (*task)(void*, int, int);
  void* context;
  int tasks;
  std::atomic<int> next{0};

  void work(int lane) {
    for (int index; (index = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) task(context, index, lane);
  }
};

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// A frame's calls follow each other within microseconds, and waking a thread takes fifty: before it sleeps, a thread
/// looks out this often (about 50 microseconds) for what it waits for.
template <class Ready>
void look_out(Ready ready) {
  for (int i = 0; i < 2000 && !ready(); ++i) pause();
}

/// Workers wait for a job; who comes first takes a free lane of it.
class Pool {
 public:
  const pid_t owner = getpid();

  /// False when another caller has the workers.
  bool run(Job& job, int threads) {
    std::unique_lock<std::mutex> mine(callers_, std::try_to_lock);
    if (!mine) return false;
    const int wanted = std::min(threads, job.tasks) - 1;  // a thread without a task is never started
    const int helpers = std::min(wanted, hire(wanted));
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job;
      free_lanes_ = helpers;
    }
    for (int i = 0; i < helpers; ++i) wake_.notify_one();
    job.work(0);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      free_lanes_ = 0;  // helpers that have not woken up yet are not needed
    }
    look_out([this] { return busy_ == 0; });
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return busy_ == 0; });
    return true;
  }

 private:
  /// Start workers until there are `wanted`; returns how many there are.
  int hire(int wanted) {
    for (; workers_ < wanted; ++workers_) {
      try {
        std::thread([this] { serve(); }).detach();
      } catch (const std::system_error&) {
        break;  // the process may start no more threads: fewer do the work
      }
    }
    return workers_;
  }

  void serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return free_lanes_ > 0; });
      const int lane = free_lanes_--;
      Job& job = *job_;
      ++busy_;
      lock.unlock();
      job.work(lane);
      lock.lock();
      if (--busy_ == 0) done_.notify_one();
      lock.unlock();
      look_out([this] { return free_lanes_ > 0; });
      lock.lock();
    }
  }

  std::mutex callers_, mutex_;
  std::condition_variable wake_, done_;
  Job* job_ = nullptr;
  int workers_ = 0;                           // guarded by callers_
  std::atomic<int> free_lanes_{0}, busy_{0};  // changed under mutex_; who looks out reads them without
};

/// The pool of this process. It is never destroyed: its workers may outlive every static object. A forked child gets a
/// new one, because its parent's workers did not come along.
Pool& pool() {
  static std::atomic<Pool*> current{nullptr};
  Pool* found = current.load();
  if (found && found->owner == getpid()) return *found;
  Pool* fresh = new Pool;
  if (current.compare_exchange_strong(found, fresh)) return *fresh;
  delete fresh;
  return *found;
}

}  // namespace

void parallel_for(int tasks, int threads, void (*task)(void*, int, int), void* context) {
  Job job{task, context, tasks};
  if (threads > 1 && tasks > 1 && pool().run(job, threads)) return;
  job.work(0);
}

}  // namespace stc::cpu
