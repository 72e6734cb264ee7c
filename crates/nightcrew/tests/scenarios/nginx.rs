//! A real nginx below the folder of a stage.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};

use crate::stage::{Part, Stage, until};

/// Writes its configuration around what stands in `http`.
pub(crate) fn write(stage: &Stage, http: &str) {
    let dir = stage.dir().display();
    let mut paths = String::new();
    for (n, kind) in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].iter().enumerate() {
        write!(paths, "{kind}_temp_path {dir}/temp{n}; ").unwrap();
    }
    // The worker stays with the user of the master: the folder is for this user alone.
    stage.write(
        "nginx.conf",
        format!(
            "daemon off; worker_processes 1; user root; pid {dir}/nginx.pid;
             error_log {dir}/nginx-error.log;
             events {{ worker_connections 64; }}
             http {{ {paths} {http} }}"
        ),
    );
}

/// Starts it, and waits until it listens.
pub(crate) fn start(stage: &Stage, address: SocketAddr, http: &str) -> Part {
    write(stage, http);
    let part = stage.start_part("nginx", &["-p", &stage.text(""), "-c", &stage.text("nginx.conf")]);
    until("nginx listens", || TcpStream::connect(address).ok());
    part
}
