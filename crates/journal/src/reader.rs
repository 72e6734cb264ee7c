//! The reading side: a few connections, opened when they are needed, each used by one reader at a
//! time.  Readers never wait for the writer, nor it for them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::error::{ReadError, Trouble};
use crate::limit::READERS_MAX;
use crate::schema;

/// The connections.
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default(), turns: Arc::new(Semaphore::new(READERS_MAX as usize)) }
    }

    /// Reads, off the async threads.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, ReadError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| ReadError::Closed)?;
        let readers = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let result = readers.with_connection(work);
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
