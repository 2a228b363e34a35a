// SPDX-License-Identifier: MIT
//! tests/progs/driver.c, which has the manual of its protocol, with the Rust probes.

#![deny(unsafe_op_in_unsafe_fn)]

#[path = "../scripted.rs"]
mod scripted;

use scripted::{now, Call, Job, Scripted, OPS, PLACES, SCRIPTED_HERE, SEQUENCE};
use std::ffi::CString;
use std::io::{BufRead, BufReader, Write};
use std::os::raw::{c_char, c_int, c_long, c_void};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{exit, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::{mem, ptr, thread};

const THREADS: usize = 8;

extern "C" {
    fn fork() -> c_int;
    fn signal(number: c_int, handler: usize) -> usize;
    fn raise(number: c_int) -> c_int;
    fn _exit(status: c_int) -> !;
    fn setrlimit(resource: c_int, limit: *const [u64; 2]) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
    fn dlopen(file: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlclose(library: *mut c_void) -> c_int;
}

struct Work {
    job: Box<Job>,
    run: unsafe extern "C" fn(*mut Job),
    busy: bool,
}

/// What runs a thread's jobs; thread 0 is whoever obeys.
struct Worker {
    work: Mutex<Work>,
    changed: Condvar,
}

impl Worker {
    fn new() -> Arc<Worker> {
        let work = Work { job: Job::new(), run: SCRIPTED_HERE.run, busy: false };
        Arc::new(Worker { work: Mutex::new(work), changed: Condvar::new() })
    }

    fn run_one(work: &mut Work) {
        // SAFETY: a whole job; its places are nobody else's.
        unsafe { (work.run)(&mut *work.job) }
    }

    fn serve(&self) {
        let mut work = self.work.lock().unwrap();
        loop {
            while !work.busy {
                work = self.changed.wait(work).unwrap();
            }
            Self::run_one(&mut work);
            work.busy = false;
            self.changed.notify_all();
        }
    }
}

struct Driver {
    lines: BufReader<UnixStream>,
    workers: [Option<Arc<Worker>>; THREADS],
    library: *mut c_void,
}
// SAFETY: only handed over as a whole.
unsafe impl Send for Driver {}

type Answer = Result<String, &'static str>;

fn connect(path: &str) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(path).unwrap_or_else(|error| {
        eprintln!("driver: cannot connect to '{path}': {error}");
        exit(1)
    });
    writeln!(stream, "hello {}", std::process::id()).unwrap();
    BufReader::new(stream)
}

fn time() -> Answer {
    Ok(now().to_string())
}

/// "-" is empty, otherwise pairs of hex digits.
fn decode(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks_exact(2);
    pairs.map_while(|p| u8::from_str_radix(std::str::from_utf8(p).ok()?, 16).ok()).collect()
}

fn parse<T: std::str::FromStr>(word: Option<&str>) -> Result<T, &'static str> {
    word.and_then(|w| w.parse().ok()).ok_or("a number is missing")
}

fn c_string(text: &str) -> CString {
    CString::new(text).unwrap()
}

impl Driver {
    fn say(&mut self, answer: Answer) {
        let line = match answer {
            Ok(text) => format!("ok {text}\n"),
            Err(text) => format!("error {text}\n"),
        };
        self.lines.get_mut().write_all(line.as_bytes()).unwrap();
    }

    // ---- Where steps live ----

    fn where_is(&self, place: &mut usize) -> Result<&'static Scripted, &'static str> {
        if *place < PLACES {
            return Ok(&SCRIPTED_HERE);
        }
        *place -= PLACES;
        if self.library.is_null() || *place >= PLACES {
            return Err("no such place");
        }
        // SAFETY: the library's, as long as it is open.
        unsafe {
            let found = dlsym(self.library, c_string("scripted_library").as_ptr());
            found.cast::<Scripted>().as_ref().ok_or("not our library")
        }
    }

    fn init(&self, rest: &str, over: bool) -> Answer {
        let (place, hex) = rest.split_once(' ').ok_or("a name is missing")?;
        let mut place = parse(Some(place))?;
        let at = self.where_is(&mut place)?;
        let bytes = decode(hex);
        // SAFETY: no call is under way.
        unsafe { (if over { at.name } else { at.init })(place, bytes.as_ptr(), bytes.len()) };
        time()
    }

    fn semaphore(&self, whose: &str) -> Answer {
        let mut place = if whose == "driver" { 0 } else { PLACES };
        Ok(self.where_is(&mut place).map_or(0, |at| (at.semaphore)()).to_string())
    }

    // ---- Calls ----

    fn parse_call(&self, word: &str) -> Result<(Call, &'static Scripted), &'static str> {
        let mut parts = word.split(',');
        let name = parts.next();
        let op = OPS.iter().position(|&op| Some(op) == name).ok_or("no such call")?;
        let mut place = parse(parts.next())?;
        let value = parse(parts.next())?;
        let at = self.where_is(&mut place)?;
        Ok((Call { op, place, value }, at))
    }

    fn worker(&mut self, number: usize) -> Arc<Worker> {
        let worker = self.workers[number].get_or_insert_with(|| {
            let worker = Worker::new();
            let own = worker.clone();
            if number != 0 {
                thread::spawn(move || own.serve());
            }
            worker
        });
        worker.clone()
    }

    fn begin(&mut self, rest: &str) -> Result<usize, &'static str> {
        let mut words = rest.split_whitespace();
        let number = parse::<usize>(words.next())? % THREADS;
        let times = parse(words.next())?;
        let calls = words.map(|word| self.parse_call(word)).collect::<Result<Vec<_>, _>>()?;
        let &(_, at) = calls.last().ok_or("no calls")?;
        if calls.len() > SEQUENCE {
            return Err("too many calls");
        }
        let worker = self.worker(number);
        let mut work = worker.work.lock().unwrap();
        work.job.length = calls.len();
        work.job.times = times;
        work.run = at.run;
        work.job.call.iter_mut().zip(calls).for_each(|(to, (call, _))| *to = call);
        if number == 0 {
            Worker::run_one(&mut work);
        } else {
            work.busy = true;
            worker.changed.notify_all();
        }
        Ok(number)
    }

    fn finish(&mut self, number: usize) -> Answer {
        let worker = self.worker(number % THREADS);
        let mut work = worker.work.lock().unwrap();
        while work.busy {
            work = worker.changed.wait(work).unwrap();
        }
        let j = &work.job;
        let mut text = format!(
            "{} {} {} {} {} {}",
            j.before, j.second, j.after, j.fires, j.first_fire, j.last_fire
        );
        j.trace[..j.traced].iter().for_each(|one| text += &format!(" {one:x}"));
        Ok(text)
    }

    // ---- Life and death ----

    fn fork(&mut self, path: &str) {
        // SAFETY: the child has no other thread, and uses none of its parent's.
        match unsafe { fork() } {
            0 => {
                mem::forget(mem::take(&mut self.workers));
                self.lines = connect(path);
            }
            pid if pid > 0 => self.say(Ok(pid.to_string())),
            _ => self.say(Err("fork")),
        }
    }

    fn exec(&mut self, rest: &str) {
        let (file, path) = rest.split_once(' ').unwrap();
        self.say(time());
        let error = Command::new(file).arg(path).exec();
        panic!("exec: {error}");
    }

    fn dlopen(&mut self, file: &str) -> Answer {
        // SAFETY: a library of ours; RTLD_NOW.
        self.library = unsafe { dlopen(c_string(file).as_ptr(), 2) };
        if self.library.is_null() {
            return Err("dlopen");
        }
        time()
    }

    fn dlclose(&mut self) -> Answer {
        // SAFETY: nobody calls into it.
        unsafe { dlclose(mem::replace(&mut self.library, ptr::null_mut())) };
        time()
    }

    fn end(&mut self, how: &str, number: &str) -> ! {
        let number = parse(Some(number)).unwrap();
        self.say(time());
        // SAFETY: that is the end.
        unsafe {
            match how {
                "exit" => exit(number),
                "_exit" => _exit(number),
                _ => {
                    signal(number, 0);
                    raise(number);
                }
            }
        }
        unreachable!("{how} {number}")
    }

    fn obey(&mut self, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let answer = match verb {
            "init" => self.init(rest, false),
            "name" => self.init(rest, true),
            "call" => self.begin(rest).and_then(|number| self.finish(number)),
            "begin" => self.begin(rest).and_then(|_| time()),
            "finish" => parse(Some(rest)).and_then(|number| self.finish(number)),
            "semaphore" => self.semaphore(rest),
            "dlopen" => self.dlopen(rest),
            "dlclose" => self.dlclose(),
            "fork" => return self.fork(rest),
            "exec" => return self.exec(rest),
            "thread_exec" => {
                thread::scope(|scope| scope.spawn(|| self.exec(rest)).join()).unwrap();
                return;
            }
            _ => self.end(verb, rest),
        };
        self.say(answer);
    }

    fn obey_all(mut self) {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap_or(0) > 0 {
            let command = line.trim_end();
            if command == "leave_main" {
                return self.leave_main();
            }
            self.obey(command);
            line.clear();
        }
        exit(0);
    }

    /// From here on thread 0 is another one, and the process has no first thread.
    fn leave_main(mut self) {
        thread::spawn(move || {
            self.say(time());
            self.obey_all();
        });
        let exit_thread = if cfg!(target_arch = "x86_64") { 60 } else { 93 };
        // SAFETY: ends this thread only, which holds nothing.
        unsafe { syscall(exit_thread, 0) };
    }
}

fn main() {
    let path = std::env::args().nth(1).expect("usage: driver SOCKET");
    // SAFETY: no core files; children are nobody's.
    unsafe {
        setrlimit(4, &[0, 0]);
        signal(17, 1);
    }
    let lines = connect(&path);
    Driver { lines, workers: Default::default(), library: ptr::null_mut() }.obey_all();
}
