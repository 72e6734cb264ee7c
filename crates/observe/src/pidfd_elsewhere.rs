//! Where there is no `pidfd_open(2)`, the end of a process is seen only at the next look.

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::process::end::{End, WatchError};

/// There is none.
#[derive(Debug)]
pub(crate) struct Watch(Infallible);

impl Future for Watch {
    type Output = End;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<End> {
        match self.0 {}
    }
}

/// Always refused.
pub(crate) fn watch(_: OwnedFd) -> Result<Watch, WatchError> {
    Err(io::Error::from(io::ErrorKind::Unsupported).into())
}
