//! A receiver of webhooks, which notes when each message came.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;

use crate::stopwatch::Stopwatch;

/// The receiver.  It listens until the program ends.
pub(crate) struct Hook {
    address: SocketAddr,
    watch: Stopwatch,
    came: Arc<Mutex<Vec<Duration>>>,
}

impl Hook {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("opening a port")?;
        let address = listener.local_addr()?;
        let (watch, came) = (Stopwatch::start(), Arc::default());
        let noted = Arc::clone(&came);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                // A sender that breaks off has told nothing.
                std::thread::spawn(move || drop(take(&stream, watch, &noted)));
            }
        });
        Ok(Self { address, watch, came })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The time, as arrivals are noted.
    pub(crate) fn now(&self) -> Duration {
        self.watch.elapsed()
    }

    /// When each message came, in order.
    pub(crate) fn came(&self) -> Vec<Duration> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Takes messages from one connection until it ends.
fn take(stream: &TcpStream, watch: Stopwatch, noted: &Mutex<Vec<Duration>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line)? > 0 && line != "\r\n" {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
        noted.lock().unwrap_or_else(PoisonError::into_inner).push(watch.elapsed());
        (&*stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Connection;

    #[test]
    fn every_message_is_noted_once() {
        let hook = Hook::start().unwrap();
        let mut connection = Connection::open(hook.address).unwrap();
        for text in ["", "하나", "둘"] {
            assert_eq!(connection.post_json("/", text).unwrap().status, 200);
        }
        assert_eq!(hook.came().len(), 3);
        assert!(hook.came().is_sorted() && hook.came()[2] <= hook.now());
    }
}
