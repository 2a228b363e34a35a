// SPDX-License-Identifier: MIT
// As names.cc, in Rust.
mod q {
    pub struct Queue(pub i32);

    impl Queue {
        #[inline(never)]
        pub fn push(&mut self, message: i32) -> bool {
            if self.0 + message % 2 > 20 {
                return false;
            }
            self.0 += message % 2;
            true
        }
    }
}

fn main() {
    let messages: i32 = std::env::args().nth(1).unwrap().parse().unwrap();
    let mut queue = q::Queue(0);
    let refused = (0..messages).filter(|i| !queue.push(*i)).count();
    println!("{} refused {} drained", refused, queue.0);
}
