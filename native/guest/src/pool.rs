//! A few threads for system calls that may sleep, started as they are needed.
//!
//! A user can mount a file system that never answers, so nothing that touches a path may run on the main thread.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use crate::sys;

/// Enough for the deepest call here; the default of 2 MiB would be counted against a small machine.
const STACK_BYTES: usize = 256 * 1024;

/// Where threads leave what they have done, and wake the main thread.
pub struct Completions<D> {
    done: Mutex<Vec<D>>,
    wake: OwnedFd,
}

impl<D> Completions<D> {
    pub fn new() -> io::Result<Arc<Self>> {
        // SAFETY: no pointers.
        let wake = sys::check_fd(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        Ok(Arc::new(Completions { done: Mutex::new(Vec::new()), wake }))
    }

    /// Everything done since the last time.
    pub fn take(&self) -> Vec<D> {
        std::mem::take(&mut lock(&self.done))
    }

    /// From any thread.
    pub fn post(&self, done: D) {
        let mut waiting = lock(&self.done);
        waiting.push(done);
        if waiting.len() == 1 {
            // The main thread polls this edge-triggered and never reads it. It cannot overflow in 2^64 writes.
            let _ = sys::write(self.wake.as_raw_fd(), &1u64.to_ne_bytes());
        }
    }
}

impl<D> AsRawFd for Completions<D> {
    fn as_raw_fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }
}

type Job<D> = Box<dyn FnOnce() -> D + Send>;

/// Runs jobs in the order they are submitted, at most `threads_max` at once.
pub struct Pool<D> {
    shared: Arc<Shared<D>>,
    threads_max: usize,
    threads: usize,
}

struct Shared<D> {
    queue: Mutex<Queue<D>>,
    work: Condvar,
    completions: Arc<Completions<D>>,
    before_each: Box<dyn Fn() + Send + Sync>,
}

struct Queue<D> {
    jobs: VecDeque<Job<D>>,
    idle: usize,
}

impl<D: Send + 'static> Pool<D> {
    /// `before_each` runs on the thread before every job, for example to take on an identity.
    pub fn new(
        threads_max: usize,
        completions: Arc<Completions<D>>,
        before_each: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let mut pool = Pool {
            shared: Arc::new(Shared {
                queue: Mutex::new(Queue { jobs: VecDeque::new(), idle: 0 }),
                work: Condvar::new(),
                completions,
                before_each: Box::new(before_each),
            }),
            threads_max,
            threads: 0,
        };
        // The first thread starts now: later the machine may be out of processes, and must answer all the same.
        pool.start_thread()?;
        Ok(pool)
    }

    pub fn submit(&mut self, job: impl FnOnce() -> D + Send + 'static) {
        let mut queue = lock(&self.shared.queue);
        queue.jobs.push_back(Box::new(job));
        let is_short = queue.jobs.len() > queue.idle;
        drop(queue);
        if is_short && self.threads < self.threads_max {
            // When there can be no more threads those there are do the work.
            let _ = self.start_thread();
        }
        self.shared.work.notify_one();
    }

    fn start_thread(&mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        thread::Builder::new().stack_size(STACK_BYTES).spawn(move || shared.work())?;
        self.threads += 1;
        Ok(())
    }
}

impl<D> Shared<D> {
    fn work(&self) {
        loop {
            let job = self.next_job();
            (self.before_each)();
            self.completions.post(job());
        }
    }

    fn next_job(&self) -> Job<D> {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return job;
            }
            queue.idle += 1;
            queue = match self.work.wait(queue) {
                Ok(queue) => queue,
                Err(poisoned) => poisoned.into_inner(),
            };
            queue.idle -= 1;
        }
    }
}

/// No job panics and lives (a panic ends the process), so a poisoned lock has nothing to say.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.lock() {
        Ok(guard) => guard,
        Err(poisoned) => poisoned.into_inner(),
    }
}
