//! A small HTTP server inside the test, which counts what it is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What happens at a request, before it is answered.
type Hook = Box<dyn Fn(&str) + Send>;

#[derive(Default)]
struct Pages {
    counts: BTreeMap<String, u64>,
    failing: BTreeSet<String>,
    /// Asking for the first page ends the failure of the second.
    mends: BTreeMap<String, String>,
}

/// A server that answers every page with 200, or with 500 where it was told to.
pub(crate) struct Counter {
    address: SocketAddr,
    pages: Arc<Mutex<Pages>>,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Counter {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let counter = Self {
            address: listener.local_addr().unwrap(),
            pages: Arc::default(),
            hook: Arc::default(),
        };
        let (pages, hook) = (counter.pages.clone(), counter.hook.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (pages, hook) = (pages.clone(), hook.clone());
                std::thread::spawn(move || answer(stream, &pages, &hook));
            }
        });
        counter
    }

    pub(crate) fn url(&self, page: &str) -> String {
        format!("http://{}{page}", self.address)
    }

    /// How often a page was asked for.
    pub(crate) fn count(&self, page: &str) -> u64 {
        self.pages.lock().unwrap().counts.get(page).copied().unwrap_or(0)
    }

    /// From now on a page answers 500.
    pub(crate) fn fail(&self, page: &str) {
        self.pages.lock().unwrap().failing.insert(page.to_owned());
    }

    /// Asking for the first page ends the failure of the second one.
    pub(crate) fn mend(&self, cure: &str, page: &str) {
        self.pages.lock().unwrap().mends.insert(cure.to_owned(), page.to_owned());
    }

    /// What is done at each request, once it is counted and before it is answered.
    pub(crate) fn at_request(&self, hook: impl Fn(&str) + Send + 'static) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }
}

fn answer(mut stream: TcpStream, pages: &Mutex<Pages>, hook: &Mutex<Option<Hook>>) {
    let mut line = String::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    if reader.read_line(&mut line).is_err() {
        return;
    }
    let Some(page) = line.split(' ').nth(1).map(str::to_owned) else { return };
    // The rest of the head: closing a connection with something unread would reset it.
    let mut rest = String::new();
    while reader.read_line(&mut rest).is_ok_and(|n| n > 2) {
        rest.clear();
    }
    let failing = {
        let mut pages = pages.lock().unwrap();
        *pages.counts.entry(page.clone()).or_default() += 1;
        if let Some(mended) = pages.mends.get(&page).cloned() {
            pages.failing.remove(&mended);
        }
        pages.failing.contains(&page)
    };
    if let Some(hook) = hook.lock().unwrap().as_ref() {
        hook(&page);
    }
    let status = if failing { "500 Internal Server Error" } else { "200 OK" };
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}
