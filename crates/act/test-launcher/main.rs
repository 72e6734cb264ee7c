//! A launcher for the tests of this room, also one on a machine that lacks a layer.
//!
//! `act-test-launcher sandbox-exec …` is what the crew's binary is.  Before it may stand what the
//! kernel is to lack: `act-test-launcher without CALL,CALL sandbox-exec …` answers ENOSYS to these
//! system calls, as a kernel without them does.

#![expect(clippy::unwrap_used, reason = "a test's program stops where it cannot go on")]

use std::collections::BTreeMap;
use std::process::ExitCode;

use nightcrew_act::sandbox::launch;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|word| word == "without") {
        let calls = arguments.remove(2);
        arguments.remove(1);
        lack(calls.to_str().unwrap());
    }
    launch::serve(arguments.into_iter()).unwrap()
}

fn lack(calls: &str) {
    let rules: BTreeMap<i64, _> =
        calls.split(',').map(|number| (number.parse().unwrap(), Vec::new())).collect();
    let absent = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, absent, architecture).unwrap();
    seccompiler::apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}
