//! Seeing a process end the moment it does.
//!
//! One thread waits on the descriptors of all watched processes (`pidfd_open(2)`, `epoll(7)`).  It
//! exists because tokio's own registration of foreign descriptors is either deprecated as unsound
//! or unsafe.  It is started with the first watch and sleeps in the kernel.
//!
//! **Invariant:** a watch that is dropped leaves nothing behind.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use rustix::event::epoll;
use tokio::sync::oneshot;

use crate::process::end::{End, WatchError};

/// The largest number of processes that are watched at the same time.
pub(crate) const WATCHES_MAX: usize = 1_024;

/// How many ends are fetched from the kernel at once.
const EVENTS_MAX: usize = 64;

/// Resolves when the process has ended; at once, if it already has.
#[derive(Debug)]
pub(crate) struct Watch {
    end: oneshot::Receiver<End>,
    token: u64,
    poller: Arc<Poller>,
}

impl Future for Watch {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<End> {
        // Without its sender the poll thread is gone; to look once more is then the right answer.
        let end = Pin::new(&mut self.end).poll(context);
        end.map(|end| end.unwrap_or(End::Unseen))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.poller.take(self.token));
    }
}

/// Watches for the end of the process behind a pidfd.
pub(crate) fn watch(pidfd: OwnedFd) -> Result<Watch, WatchError> {
    static POLLER: Mutex<Option<Arc<Poller>>> = Mutex::new(None);

    let mut slot = POLLER.lock().unwrap_or_else(PoisonError::into_inner);
    let poller = match slot.take().filter(|poller| poller.is_open()) {
        Some(poller) => poller,
        None => Poller::start(WATCHES_MAX)?,
    };
    Poller::add(slot.insert(poller), pidfd)
}

#[derive(Debug)]
struct Poller {
    epoll: OwnedFd,
    watches_max: usize,
    watched: Mutex<Watched>,
}

#[derive(Debug)]
struct Watched {
    /// By token; none: the thread has ended.
    by_token: Option<HashMap<u64, Entry>>,
    next_token: u64,
}

#[derive(Debug)]
struct Entry {
    pidfd: OwnedFd,
    end: oneshot::Sender<End>,
}

impl Poller {
    fn start(watches_max: usize) -> io::Result<Arc<Self>> {
        let poller = Arc::new(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            watches_max,
            watched: Mutex::new(Watched { by_token: Some(HashMap::new()), next_token: 0 }),
        });
        let of_thread = Arc::clone(&poller);
        std::thread::Builder::new().name("pidfd-poll".into()).spawn(move || of_thread.run())?;
        Ok(poller)
    }

    /// The kernel takes the new descriptor up even while the thread waits.
    fn add(poller: &Arc<Self>, pidfd: OwnedFd) -> Result<Watch, WatchError> {
        let mut watched = poller.lock();
        let token = watched.next_token;
        watched.next_token += 1;
        let by_token = watched
            .by_token
            .as_mut()
            .ok_or_else(|| io::Error::other("the poll thread has ended"))?;
        if by_token.len() >= poller.watches_max {
            return Err(WatchError::Full(poller.watches_max));
        }
        let data = epoll::EventData::new_u64(token);
        epoll::add(&poller.epoll, &pidfd, data, epoll::EventFlags::IN).map_err(io::Error::from)?;
        let (sender, end) = oneshot::channel();
        by_token.insert(token, Entry { pidfd, end: sender });
        Ok(Watch { end, token, poller: Arc::clone(poller) })
    }

    fn run(&self) {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS_MAX);
        loop {
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, spare, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => {
                    let error = io::Error::from(errno);
                    tracing::error!(%error, "ends of processes are seen only by polling from now on");
                    self.lock().by_token = None;
                    return;
                }
            }
            for event in events.drain(..) {
                let token = event.data.u64();
                if let Some(Entry { pidfd, end }) = self.take(token) {
                    // The receiver may have been dropped in this moment: nobody wants to know.
                    end.send(peek(pidfd.as_fd())).ok();
                }
            }
        }
    }

    fn is_open(&self) -> bool {
        self.lock().by_token.is_some()
    }

    /// Takes a watch out; the kernel forgets it too.
    fn take(&self, token: u64) -> Option<Entry> {
        let entry = self.lock().by_token.as_mut()?.remove(&token)?;
        if let Err(errno) = epoll::delete(&self.epoll, &entry.pidfd) {
            let error = io::Error::from(errno);
            tracing::error!(%error, "a watched process could not be taken from the poll thread");
        }
        Some(entry)
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How it ended, without collecting it: that is for whoever started it.
fn peek(pidfd: BorrowedFd<'_>) -> End {
    use rustix::process::{WaitId, WaitIdOptions, waitid};

    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let Ok(Some(status)) = waitid(WaitId::PidFd(pidfd), look) else {
        return End::Unseen;
    };
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => End::Exited(code),
        (None, Some(number)) => End::Signalled(number),
        (None, None) => End::Unseen,
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{PidfdFlags, getpid, pidfd_open};

    use super::*;

    fn own() -> OwnedFd {
        pidfd_open(getpid(), PidfdFlags::empty()).unwrap()
    }

    #[test]
    fn the_number_of_watches_is_limited_and_a_dropped_one_makes_room() {
        let poller = Poller::start(2).unwrap();
        let first = Poller::add(&poller, own()).unwrap();
        let _second = Poller::add(&poller, own()).unwrap();
        assert!(matches!(Poller::add(&poller, own()), Err(WatchError::Full(2))));
        drop(first);
        assert!(Poller::add(&poller, own()).is_ok());
    }
}
