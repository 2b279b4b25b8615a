//! What a store takes of memory, counted at the allocator: part of `make bench`.

use control_plane_lab::lab::api_load::ApiLoad;
use control_plane_lab::lab::load::filled;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it is; only sizes are counted beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KEYS: usize = 200_000;
const PODS: u64 = 10_000;

fn main() {
    let held = || HELD.load(Ordering::Relaxed);
    let before = held();
    let once = filled(KEYS, 1);
    let first = held() - before;
    drop(once);
    let before = held();
    let thrice = filled(KEYS, 3);
    let all = held() - before;
    drop(thrice);
    println!("memory per key, 28 B with a value of 100 B: {} B", first / KEYS);
    println!("memory per further revision of a key: {} B", (all - first) / (2 * KEYS));
    let mut load = ApiLoad::default();
    load.fill(100);
    let before = held();
    load.fill(100 + PODS);
    println!(
        "memory per pod, in three members, an API server's cache and the history of causes: {} B",
        (held() - before) / PODS as usize
    );
}
