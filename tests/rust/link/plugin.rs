// SPDX-License-Identifier: MIT
//! A shared library with probes of two versions. Its run returns the number of an instance of its own.

mod observer;

#[no_mangle]
pub extern "C" fn plugin_run() -> u64 {
    let mut last = two::Layer::new("inner two", Box::new(|_| true));
    let place = last.place();
    let mut first = one::Layer::new("inner one", Box::new(move |m| last.submit(m)));
    first.submit(1);
    observer::attach();
    (0..1000).for_each(|m| drop(first.submit(m)));
    let seen = observer::fires();
    observer::detach();
    if seen.is_empty() || !seen.iter().any(|f| f.place == first.place() && f.next == place) {
        return 0;
    }
    let record = first.place() as *const u64;
    // Its forwarded, and then its instance.
    unsafe {
        if record.add(4).read_volatile() != 1000 {
            return 0;
        }
        record.add(8).read_volatile()
    }
}
