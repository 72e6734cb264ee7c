//! The reading side: a few connections, opened when they are needed, each used by one reader at a
//! time.  A reader sees to it that the tables are as far as the log was when it was asked, and
//! otherwise never waits for the writer, nor it for readers.  While the disk is full the tables may
//! have to stay behind: who only shows them to somebody shows what there is.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::error::{ReadError, Trouble};
use crate::folding::Folding;
use crate::limit::READERS_MAX;
use crate::schema;

/// How far the tables have to be for a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// As far as the log.
    Exact,
    /// As far as the log, unless the disk is full.
    BehindWhenFull,
}

/// The connections.
pub(crate) struct Readers {
    path: PathBuf,
    folding: Arc<Folding>,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, folding: Arc<Folding>) -> Self {
        Self {
            path,
            folding,
            idle: Mutex::default(),
            turns: Arc::new(Semaphore::new(READERS_MAX as usize)),
        }
    }

    /// Reads, off the async threads, what was durable when it was asked for.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, ReadError> {
        self.read_at(Standing::Exact, work).await
    }

    /// As [`Readers::read`]; while the disk is full, what is in the tables.  To show, and not to act
    /// on.
    pub(crate) async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, ReadError> {
        self.read_at(Standing::BehindWhenFull, work).await
    }

    async fn read_at<T: Send + 'static>(
        self: &Arc<Self>,
        standing: Standing,
        work: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, ReadError> {
        let durable = self.folding.pushed();
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| ReadError::Closed)?;
        let readers = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let caught_up = match readers.folding.catch_up(durable) {
                Err(Trouble::Full) if standing == Standing::BehindWhenFull => Ok(()),
                caught_up => caught_up,
            };
            let result = caught_up.and_then(|()| readers.with_connection(work));
            // Held until here: whoever has every turn knows that no connection is in use.
            drop(turn);
            result
        });
        match reading.await {
            Ok(result) => result.map_err(ReadError::from),
            // A bug in the caller's own closure shows up at the caller.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(ReadError::Closed),
        }
    }

    fn with_connection<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => schema::reader(&self.path)?,
        };
        // After an error the connection is not kept: the next reader begins afresh.
        let value = work(&conn)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        Ok(value)
    }

    /// Waits for the reads under way, lets no other begin, and closes the connections.
    pub(crate) async fn close(&self) {
        // An error says that it is closed already.
        let turns = self.turns.acquire_many(READERS_MAX).await;
        self.turns.close();
        drop(turns);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
