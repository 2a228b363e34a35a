// SPDX-License-Identifier: MIT
//! One of the builds: two crates with probes, of two versions, and C with the header where
//! `cfg(with_c)`. Runs unwatched, then watched by itself, and says "ok" if all was told as it was.
//! With arguments it does the same in the shared libraries of those names, opened at run time.

mod observer;

use observer::{attach, count, detach, fires, semaphore, Fire};
use pushback::{Outcome, Step};
use std::ffi::CString;
use std::os::raw::{c_char, c_int, c_void};
use std::sync::atomic::Ordering::Relaxed;

extern "C" {
    fn dlopen(file: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    #[cfg(with_c)]
    fn second_submit(outcome: c_int);
}

const SUBMIT: usize = 0;
const FORWARD: usize = 1;

/// A 64-bit word of the step at this place.
fn word(place: u64, at: usize) -> u64 {
    unsafe { (place as *const u64).add(at / 8).read_volatile() }
}

fn counts(place: u64) -> [u64; 4] {
    [16, 24, 32, 40].map(|at| word(place, at))
}

/// The second layer takes each third message.
fn chain() -> (one::Layer, &'static two::Layer) {
    let mut n = 0;
    let last = two::Layer::new(
        "two",
        Box::new(move |_| {
            n += 1;
            n % 3 == 0
        }),
    );
    let last = Box::leak(Box::new(last));
    let seen: *mut two::Layer = last;
    (one::Layer::new("one", Box::new(move |m| unsafe { (*seen).submit(m) })), unsafe { &*seen })
}

fn unwatched() {
    let (mut first, last) = chain();
    (0..100).for_each(|m| drop(first.submit(m)));
    assert_eq!((counts(first.place()), counts(last.place())), ([0; 4], [0; 4]));
    assert_eq!((word(first.place(), 8), word(last.place(), 8)), (1, 1), "missed");
    assert_eq!(count(), 0);
}

fn wrapped_over_versions() {
    let (mut first, last) = chain();
    attach();
    let taken: Vec<_> = (0..6).map(|m| first.submit(m)).collect();
    assert_eq!(taken, [false, false, true, false, false, true]);
    assert_eq!(counts(last.place()), [2, 4, 0, 0]);
    assert_eq!(counts(first.place()), [2, 0, 2, 4], "refusals are the last one's");
    let (one, two) = (first.place(), last.place());
    let begins = Fire { site: SUBMIT, place: two, value: 1, yes: 0, next: 0 };
    assert_eq!(fires()[0], begins);
    let handed = Fire { site: FORWARD, place: one, value: 1, yes: 0, next: two };
    assert_eq!(fires()[1], handed, "the next step is known over crates");
    assert_ne!(word(first.place(), 64), word(last.place(), 64), "instances are unique");
    detach();
    let before = count();
    drop(first);
    assert_eq!(count(), before);
}

/// Attaches, or detaches, in the middle of a message's way: what was entered before is not counted.
fn in_mid_call() {
    type Between = Box<dyn FnMut()>;
    let chain = |mut between: Between| {
        let mut last = two::Layer::new("two", Box::new(|_| true));
        let place = last.place();
        let next = Box::new(move |m| {
            between();
            last.submit(m)
        });
        (one::Layer::new("one", next), place)
    };
    let (mut first, last) = chain(Box::new(|| {
        if semaphore().load(Relaxed) == 0 {
            attach()
        }
    }));
    assert!(first.submit(1));
    assert_eq!((counts(first.place()), counts(last)), ([0; 4], [1, 0, 0, 0]));
    assert_eq!(word(first.place(), 8), 1, "missed: what is open in it is partial");
    assert!(first.submit(2));
    assert_eq!((counts(first.place()), counts(last)), ([1, 0, 1, 0], [2, 0, 0, 0]));
    detach();

    let (mut first, last) = chain(Box::new(detach));
    attach();
    assert!(first.submit(1));
    assert_eq!((counts(first.place()), counts(last)), ([0; 4], [0; 4]));
}

fn static_steps() {
    attach();
    let (one, two) = (one::static_submit(false), two::static_submit(true));
    let step = Step::new("third");
    step.forward_return(Outcome::Accepted);
    assert_ne!(one, two);
    let seen = fires();
    assert_eq!([seen[0].place, seen[1].place, seen[2].next], [one, two, two]);
    #[cfg(with_c)]
    {
        unsafe { second_submit(1) };
        step.forward_return(Outcome::Rejected);
        let seen = fires();
        assert_eq!((seen.len(), seen[4].next), (5, seen[3].place), "C's steps are known, too");
    }
    drop(step);
    assert_eq!(fires().last().unwrap().site, 3);
    detach();
}

/// From a thread that was there before, too: its thread-locals are made when they are first used.
fn plugin(path: &str) {
    let path = CString::new(path).unwrap();
    let (ask, asked) = std::sync::mpsc::channel::<extern "C" fn() -> u64>();
    let thread = std::thread::spawn(move || asked.recv().unwrap()());
    let run: extern "C" fn() -> u64 = unsafe {
        let library = dlopen(path.as_ptr(), 2);
        assert!(!library.is_null());
        let run = dlsym(library, "plugin_run\0".as_ptr().cast());
        assert!(!run.is_null());
        std::mem::transmute(run)
    };
    let here = Step::new("here");
    attach();
    here.submit_return(Outcome::Accepted);
    ask.send(run).unwrap();
    let instances =
        [word(&*here as *const pushback::Record as u64, 64), thread.join().unwrap(), run()];
    assert_eq!(count(), 1, "its watch is its own");
    detach();
    assert!(instances.iter().all(|&n| n != 0) && instances[0] != instances[1]);
    assert_ne!(instances[1], instances[2]);
}

fn main() {
    unwatched();
    wrapped_over_versions();
    in_mid_call();
    static_steps();
    std::env::args().skip(1).for_each(|path| plugin(&path));
    println!("ok");
}
